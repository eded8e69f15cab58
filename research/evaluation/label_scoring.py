"""Label scores of the batches of a split."""

import functools
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import PromptFrame, Rows, bucket
from research.evaluation.routes import causal
from research.evaluation.scoring import label_scores
from research.evaluation.split_inputs import SplitInputs
from research.evaluation.trunk.states import DividedLeaves, resumed
from research.methods.adapted import Adapted
from research.methods.method import Leaves
from research.models.model import Model
from research.runtime.executable import Call, Executable
from research.tasks.encoding.encoded import Labels


@functools.lru_cache
def label_program(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled program, rows split over all devices; cached, so that nothing compiles twice."""

    def plain(unknown, weights: Leaves, shared: tuple[PromptFrame, Labels | None], batch: Rows):
        methods, leaves = unknown
        adapted = Adapted(model, methods, {**weights, **leaves}, dtype, trained=frozenset(leaves))
        return label_scores(adapted, batch, *shared)

    def scores(
        methods, leaves: DividedLeaves, batch: Rows, frame: PromptFrame, labels: Labels | None
    ) -> jax.Array:
        unknown = (methods, leaves.unknown)
        return resumed(plain, unknown, leaves.weights, (frame, labels), batch)

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(scores, in_shardings=(None, None, by_row, None, None)))


@functools.lru_cache
def prefix_program(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled `Adapted.prefix`, with its result on all devices."""

    def prefix(methods, leaves: Leaves, frame: PromptFrame) -> Any:
        adapted = Adapted(model, methods, leaves, dtype)
        return adapted.prefix(frame.prefix_ids, frame.prefix_length)

    return Executable(jax.jit(prefix, out_shardings=NamedSharding(mesh, P())))


def with_prefix_computed(inputs: SplitInputs, model: Model, dtype: Any, mesh: Mesh) -> SplitInputs:
    """The inputs with the prefix that all rows share, where a decoder computes one.

    Batches then do not compute it again, and the programs of all widths are without it.
    """
    methods, leaves, frame = inputs.methods, inputs.leaves.weights, inputs.frame
    adapted = Adapted(model, methods, leaves)
    if model.ROUTE != "causal" or not causal.computes_prefix(adapted, frame):
        return inputs
    program = prefix_program(model, dtype, mesh)  # pyright: ignore
    prefix = program(methods, leaves, frame)
    return inputs._replace(frame=frame._replace(prefix=prefix))


class LabelScorer(NamedTuple):
    """Scores the labels after the prompts of a split, a batch at a time.

    Attributes:
        program: the compiled program.
        inputs: those that all batches share, and the rows.
        labels: the labels that all rows share; None where each row has its own choices.
    """

    program: Executable
    inputs: SplitInputs
    labels: Labels | None

    def call(self, indices: np.ndarray, size: int, width: int) -> Call:
        """The call that scores the examples at `indices`, as `size` rows of `width` tokens."""
        inputs, labels = self.inputs, self.labels
        longest = bucket(inputs.rows.longest_target) if labels is None else labels.tokens.shape[1]
        batch = inputs.batch(indices, size, width, longest)
        return Call(self.program, (inputs.methods, inputs.leaves, batch, inputs.frame, labels))
