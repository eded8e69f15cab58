"""The compiled label scorer."""

import functools
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.scoring import label_scores
from research.methods.adapted import Adapted
from research.methods.method import Leaves
from research.models.model import Model
from research.runtime.executable import Executable
from research.tasks.encoding.encoded import Labels


@functools.lru_cache
def label_scorer(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled scorer, rows split over all devices; cached, so that nothing compiles twice."""

    def scores(
        methods, leaves: Leaves, batch: Rows, frame: PromptFrame, labels: Labels
    ) -> jax.Array:
        return label_scores(Adapted(model, methods, leaves, dtype), batch, frame, labels)

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(scores, in_shardings=(None, None, by_row, None, None)))
