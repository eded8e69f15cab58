"""The states of a split: those that are stored, and the others, which are computed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jax.sharding import Mesh

from research.evaluation.batch import EncodedPrompts, PromptFrame
from research.evaluation.length_batches import BatchShapes
from research.evaluation.trunk.boundary import Boundary
from research.evaluation.trunk.computation import computed_states, missing_batches, row_keys
from research.evaluation.trunk.row_states import RowStates
from research.evaluation.trunk.store import KeptState, StateStore
from research.methods.method import Leaves
from research.runtime.devices import place_leaves

RowReport = Callable[[int], None]  # of the rows whose states are computed


class KeptStates(NamedTuple):
    """The states of a split.

    Attributes:
        frame: the frame with the values that all rows share.
        rows: the values of the rows.
        seconds: that computing those took which were not kept.
    """

    frame: PromptFrame
    rows: RowStates
    seconds: float


@dataclass(frozen=True)
class StateLookup:
    """The states below one boundary, of rows in one frame.

    Attributes:
        store: the storage of states.
        boundary: of the trunk.
        common: the key of the states that all rows share, on which the key of each row depends.
        shapes: of the batches in which states are computed.
        mesh: the devices.
    """

    store: StateStore
    boundary: Boundary
    common: str
    shapes: BatchShapes
    mesh: Mesh

    def states(
        self,
        weights: Leaves,
        shared: tuple[Any, ...],
        prompts: EncodedPrompts,
        tokens: np.ndarray,
        targets: int,
        report: RowReport,
    ) -> KeptStates:
        """The states of the rows; those that are not stored are computed and stored.

        Args:
            weights: frozen leaves of the backbone.
            shared: arrays that all rows share.
            prompts: the rows.
            tokens: numbers of tokens of each row that its states depend on.
            targets: width of the targets.
            report: called after each batch of states that are computed.
        """
        boundary, common = self.boundary, self.common
        keys = row_keys(common, prompts.rows, tokens)
        states, computed = self.store.get({common, *keys}), 0.0
        if len(states) <= len(set(keys)):
            with self.store.lock(common):
                states |= self.store.get({common, *keys})
                for new in self._missing(states, keys, weights, shared, prompts, tokens, targets):
                    self.store.add(new)
                    states |= new
                    computed += sum(state.seconds for state in new.values())
                    report(sum(key in states for key in keys))
        rows = [states[key] for key in keys]
        return KeptStates(
            prompts.frame._replace(states=states[common].values),
            RowStates(
                boundary.cut,
                boundary.shapes,
                tuple(state.values for state in rows),
                np.array([state.seconds for state in rows]),
                boundary.flops_by_width,
                boundary.shared_flops,
            ),
            computed,
        )

    def _missing(
        self,
        states: Mapping[str, KeptState],
        keys: Sequence[str],
        weights: Leaves,
        shared: tuple[Any, ...],
        prompts: EncodedPrompts,
        tokens: np.ndarray,
        targets: int,
    ) -> Iterator[dict[str, KeptState]]:
        """Computes the states that are not among `states`, a batch at a time."""
        by_key = dict(zip(keys, range(len(keys)), strict=True))
        missing = [index for key, index in by_key.items() if key not in states]
        if self.common not in states:
            missing = missing or [0]
        placed, devices = place_leaves(weights, self.mesh), self.mesh.size
        batches = missing_batches(prompts, tokens, missing, targets, devices, self.shapes)
        for indices, batch in batches:
            values = computed_states(self.boundary, placed, shared, batch, tokens[indices])
            names = (self.common, *(keys[int(i)] for i in indices))
            yield dict(zip(names, values, strict=True))
