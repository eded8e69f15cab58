"""The examples of a step: a function of (seed, step), so that a resumed run has the same."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from research.tasks.sampling import order

# Batches that exchange rows so that lengths are similar; more batches pad less and mix less.
WINDOW = 8


class Stream(NamedTuple):
    """The source of a member's batches.

    Attributes:
        seed: the seed of its order.
        lengths: [I] tokens of its examples.
        extents: [I] positions of its examples, see `research.evaluation.batch.extents`.
    """

    seed: int
    lengths: np.ndarray
    extents: np.ndarray


@dataclass(frozen=True)
class Shapes:
    """The batch shapes of a whole cohort, wherever its members are trained.

    Attributes:
        targets: tokens of a target.
        streams: the different streams of its members.
    """

    targets: int
    streams: Sequence[Stream]

    @functools.cached_property
    def longest(self) -> int:
        """Positions of the longest row of all."""
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
    """Indices [size] of the examples of a step, from the lengths [I] of all examples.

    A stream of reshuffled epochs is split into windows of a few batches; within a window, rows are
    sorted by length, so that few FLOPs go into padding, and its batches have a random order.
    """
    examples = len(lengths)
    batches = max(1, min(WINDOW, examples // size))
    window, turn = divmod(step, batches)
    positions = np.arange(window * batches * size, (window + 1) * batches * size)
    epochs, within = np.divmod(positions, examples)
    orders = {epoch: _epoch(examples, seed, int(epoch)) for epoch in np.unique(epochs)}
    stream = np.array([orders[epoch][index] for epoch, index in zip(epochs, within, strict=True)])
    by_length = stream[np.argsort(lengths[stream], kind="stable")].reshape(batches, size)
    return by_length[order(batches, seed, window, 1)[turn]]


@functools.lru_cache(maxsize=64)
def _epoch(examples: int, seed: int, epoch: int) -> np.ndarray:
    return order(examples, seed, epoch, 0)
