"""Batches of examples of similar length, padded to few shapes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from research.evaluation.batch import batch_size_at, prompt_width
from research.tasks.encoding.encoded import Encoded

Batch = tuple[np.ndarray, int, int]  # indices of the examples, rows, padded width


class BatchShapes(NamedTuple):
    """The shapes of batches of prompts.

    Attributes:
        widths: the padded widths of prompts, see `padded_width`.
        positions: positions of a batch that many rows fill; None for equally many rows in each.
        prefix_apart: whether the prefix that all rows share is computed for all batches together,
            by a program of its own.
    """

    widths: tuple[int, ...] = ()
    positions: int | None = None
    prefix_apart: bool = False

    def rows(self, width: int, most: int, devices: int = 1) -> int:
        """Rows of a batch, a multiple of the devices.

        Args:
            width: of the rows.
            most: the largest number of rows.
            devices: number of devices over which the rows are split.
        """
        most = size_on(devices, width, most)
        if self.positions is None:
            return most
        return min(most, max(1, self.positions // width // devices) * devices)


EQUAL_ROWS = BatchShapes()


def size_on(devices: int, width: int, batch_size: int) -> int:
    """Rows of a batch of this width, a multiple of the devices."""
    return batch_size_at(width, -(-batch_size // devices) * devices, devices)


def length_batches(
    rows: Encoded,
    batch_size: int,
    devices: int = 1,
    shapes: BatchShapes = EQUAL_ROWS,
    suffix: int = 0,
    new: int = 0,
) -> Iterator[Batch]:
    """The batches of examples that are sorted by the length of their prompts.

    Args:
        rows: the examples.
        batch_size: the largest number of rows; long rows are fewer, see `batch_size_at`.
        devices: number of devices over which the rows are split.
        shapes: of the batches.
        suffix: ids after each prompt, which the padded width leaves room for.
        new: tokens that are generated after each prompt.
    """
    order, begin = np.argsort(rows.prompt_length, kind="stable"), 0
    widths = shapes.widths
    if shapes.positions is not None and not new:  # a step of generation takes all weights
        yield from _filled_batches(rows, order[::-1], batch_size, devices, shapes, suffix)
        return
    while begin < len(order):
        indices = order[begin : begin + size_on(devices, 1, batch_size)]
        size = size_on(devices, prompt_width(rows, indices, suffix, widths) + new, batch_size)
        indices = indices[:size]
        yield indices, size, prompt_width(rows, indices, suffix, widths)
        begin += size


def _filled_batches(
    rows: Encoded,
    order: np.ndarray,
    batch_size: int,
    devices: int,
    shapes: BatchShapes,
    suffix: int,
) -> Iterator[Batch]:
    """The batches of examples from the longest on.

    A batch that is not filled by rows of its width has shorter ones, so that of all batches only
    the last has padded rows.
    """
    begin = 0
    while begin < len(order):
        width = prompt_width(rows, order[begin : begin + 1], suffix, shapes.widths)
        size = shapes.rows(width + suffix, batch_size, devices)
        yield order[begin : begin + size], size, width
        begin += size
