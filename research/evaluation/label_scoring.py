"""The compiled label scorer."""

import functools
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.scoring import label_scores
from research.evaluation.trunk.states import DividedLeaves, resumed
from research.methods.adapted import Adapted
from research.methods.method import Leaves
from research.models.model import Model
from research.runtime.executable import Executable
from research.tasks.encoding.encoded import Labels


@functools.lru_cache
def label_scorer(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled scorer, rows split over all devices; cached, so that nothing compiles twice."""

    def plain(unknown, weights: Leaves, shared: tuple[PromptFrame, Labels], batch: Rows):
        methods, leaves = unknown
        adapted = Adapted(model, methods, {**weights, **leaves}, dtype, trained=frozenset(leaves))
        return label_scores(adapted, batch, *shared)

    def scores(
        methods, leaves: DividedLeaves, batch: Rows, frame: PromptFrame, labels: Labels
    ) -> jax.Array:
        unknown = (methods, leaves.unknown)
        return resumed(plain, unknown, leaves.weights, (frame, labels), batch)

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(scores, in_shardings=(None, None, by_row, None, None)))
