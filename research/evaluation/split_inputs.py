"""Inputs of the compiled scorers for a split: those of all its batches, and the rows of each."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jax.sharding import Mesh

from research.evaluation.batch import EncodedPrompts, PromptFrame, Rows, batch_rows
from research.evaluation.trunk.kept_states import KeptStates
from research.evaluation.trunk.states import DividedLeaves, divided
from research.methods.method import Leaves, Method
from research.methods.shared.leaves import adding
from research.runtime.devices import place_leaves
from research.runtime.executable import count_reused
from research.tasks.encoding.encoded import Encoded


class SplitInputs(NamedTuple):
    """The inputs that the batches of a split share.

    Attributes:
        methods: the methods that change the computation.
        leaves: the leaves on the devices, divided if states of the rows are kept.
        frame: the ids around every row, with the states that all rows share.
        rows: the examples.
        kept: states of the rows below the trained leaves; None where none are kept.
    """

    methods: tuple[Method, ...]
    leaves: DividedLeaves
    frame: PromptFrame
    rows: Encoded
    kept: KeptStates | None

    def batch(self, indices: np.ndarray, size: int, width: int, targets: int) -> Rows:
        """The examples at `indices` as by `batch_rows`, with their states."""
        batch = batch_rows(self.rows, indices, size, width, targets)
        if self.kept is None:
            return batch
        return batch._replace(states=self.kept.rows.batch(indices, size, width))


def split_inputs(
    methods: Sequence[Method],
    leaves: Leaves,
    prompts: EncodedPrompts,
    kept: KeptStates | None,
    mesh: Mesh,
) -> SplitInputs:
    """The inputs of a split, whose kept states count as reused once.

    Args:
        methods: the methods at work.
        leaves: of the adapted backbone.
        prompts: the rows.
        kept: their states; None for the plain computation.
        mesh: the devices.
    """
    placed = place_leaves(leaves, mesh)
    if kept is None:
        parts, frame = DividedLeaves({}, placed), prompts.frame
    else:
        count_reused(float(kept.rows.seconds.sum()) - kept.seconds)
        parts, frame = divided(methods, placed), kept.frame
    return SplitInputs(adding(methods, leaves), parts, frame, prompts.rows, kept)
