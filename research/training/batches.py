"""Which examples a step sees: a function of (seed, step) alone, so a resumed run sees the same."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from research.tasks.sampling import order

# Batches that exchange rows to become of like length; more pad less and mix less.
WINDOW = 8


class Stream(NamedTuple):
    """What a member's batches are drawn from: its seed, the lengths [I] of its examples, and the
    positions [I] that they take.
    """

    seed: int
    lengths: np.ndarray
    extents: np.ndarray


@dataclass(frozen=True)
class Shapes:
    """What the batches of a whole cohort have in common, wherever its members are trained.

    targets: tokens of a target. streams: those that differ among the members'.
    """

    targets: int
    streams: Sequence[Stream]

    @functools.cached_property
    def longest(self) -> int:
        """Positions of the longest row there is."""
        return max(int(stream.extents.max()) for stream in self.streams)

    def longest_at(self, size: int, step: int) -> int:
        """Positions of the longest row in any member's batch of a step."""
        return max(self.each_at(size, step))

    def each_at(self, size: int, step: int) -> list[int]:
        """Positions of the longest row in the batch of a step of each stream."""
        return [
            int(extents[batch_indices(lengths, size, seed, step)].max())
            for seed, lengths, extents in self.streams
        ]


def batch_indices(lengths: np.ndarray, size: int, seed: int, step: int) -> np.ndarray:
    """The examples [size] of step `step`, given the lengths [I] of all.

    A stream of reshuffled epochs is cut into windows of a few batches; within a window, rows are
    sorted by length, so that few FLOPs go into padding, and its batches come in random order.
    """
    examples = len(lengths)
    batches = max(1, min(WINDOW, examples // size))
    window, turn = divmod(step, batches)
    places = np.arange(window * batches * size, (window + 1) * batches * size)
    epochs, within = np.divmod(places, examples)
    orders = {epoch: _epoch(examples, seed, int(epoch)) for epoch in np.unique(epochs)}
    stream = np.array([orders[epoch][place] for epoch, place in zip(epochs, within, strict=True)])
    by_length = stream[np.argsort(lengths[stream], kind="stable")].reshape(batches, size)
    return by_length[order(batches, seed, window, 1)[turn]]


@functools.lru_cache(maxsize=64)
def _epoch(examples: int, seed: int, epoch: int) -> np.ndarray:
    return order(examples, seed, epoch, 0)
