"""The examples of a step, as a function of (seed, step), so that a resumed run has the same."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from research.evaluation.batch import bucket
from research.evaluation.widths import ProgramCost, chosen_widths
from research.tasks.sampling import order
from research.training.optimizer import Schedule

# Number of batches among which rows are sorted by length; more batches pad less and mix less.
WINDOW = 8
COUNTED_STEPS = 256  # first steps, whose widths stand for those of all


class Stream(NamedTuple):
    """The source of a member's batches.

    Attributes:
        seed: the seed of the order of examples.
        lengths: [I] tokens of the examples.
        extents: [I] positions of the examples, see `research.evaluation.batch.extents`.
    """

    seed: int
    lengths: np.ndarray
    extents: np.ndarray


@dataclass(frozen=True)
class Shapes:
    """The batch shapes of a whole cohort, whose members may train in several processes.

    Attributes:
        targets: tokens of a target.
        streams: the distinct streams of the members.
        widths: the padded widths of batches, see `padded_width`.
        choices: (C, L) of the rows' own choices that are trained on; None for none.
    """

    targets: int
    streams: Sequence[Stream]
    widths: tuple[int, ...] = ()
    choices: tuple[int, int] | None = None

    @functools.cached_property
    def longest(self) -> int:
        """Positions of the longest row of all members."""
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


def training_widths(
    cost: ProgramCost | None, streams: Sequence[Stream], schedule: Schedule
) -> tuple[int, ...]:
    """The padded widths of the batches of streams, best for their mean run.

    The mean, since cohorts with other numbers of seeds then share programs.

    Args:
        cost: of the step; None for a small model, whose result is ().
        streams: the streams of a cohort.
        schedule: the schedule of each.
    """
    if cost is None:
        return ()
    size, steps = schedule.batch_size, range(min(schedule.steps, COUNTED_STEPS))
    rows_of_step = size * schedule.steps / (len(steps) * len(streams))
    rows: dict[int, float] = {}
    for seed, lengths, extents in streams:
        for step in steps:
            width = bucket(int(extents[batch_indices(lengths, size, seed, step)].max()))
            rows[width] = rows.get(width, 0) + rows_of_step
    return chosen_widths(rows, cost)


def batch_indices(lengths: np.ndarray, size: int, seed: int, step: int) -> np.ndarray:
    """Indices [size] of the examples of a step, from the lengths [I] of all examples.

    A stream of reshuffled epochs is split into windows of a few batches. Within a window, rows are
    sorted by length to reduce padding, and the batches are shuffled.
    """
    examples = len(lengths)
    batches = max(1, min(WINDOW, examples // size))
    window, index = divmod(step, batches)
    positions = np.arange(window * batches * size, (window + 1) * batches * size)
    epochs, within = np.divmod(positions, examples)
    orders = {epoch: _epoch(examples, seed, int(epoch)) for epoch in np.unique(epochs)}
    stream = np.array([orders[epoch][i] for epoch, i in zip(epochs, within, strict=True)])
    by_length = stream[np.argsort(lengths[stream], kind="stable")].reshape(batches, size)
    return by_length[order(batches, seed, window, 1)[index]]


@functools.lru_cache(maxsize=64)
def _epoch(examples: int, seed: int, epoch: int) -> np.ndarray:
    return order(examples, seed, epoch, 0)
