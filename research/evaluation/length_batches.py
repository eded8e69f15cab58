"""Batches of examples of similar length, padded to few shapes."""

from collections.abc import Iterator, Sequence

import numpy as np

from research.evaluation.batch import batch_size_at, prompt_width
from research.tasks.encoding.encoded import Encoded

Batch = tuple[np.ndarray, int, int]  # indices of the examples, rows, padded width


def size_on(devices: int, width: int, batch_size: int) -> int:
    """Rows of a batch of this width, a multiple of the devices."""
    return batch_size_at(width, -(-batch_size // devices) * devices, devices)


def length_batches(
    rows: Encoded,
    batch_size: int,
    devices: int = 1,
    widths: Sequence[int] = (),
    suffix: int = 0,
    new: int = 0,
) -> Iterator[Batch]:
    """The batches of examples that are sorted by the length of their prompts.

    Args:
        rows: the examples.
        batch_size: the largest number of rows; long rows are fewer, see `batch_size_at`.
        devices: number of devices over which the rows are split.
        widths: the padded widths of prompts, see `padded_width`.
        suffix: ids after each prompt, which the padded width leaves room for.
        new: tokens that are generated after each prompt.
    """
    order, begin = np.argsort(rows.prompt_length, kind="stable"), 0
    while begin < len(order):
        indices = order[begin : begin + size_on(devices, 1, batch_size)]
        size = size_on(devices, prompt_width(rows, indices, suffix, widths) + new, batch_size)
        indices = indices[:size]
        yield indices, size, prompt_width(rows, indices, suffix, widths)
        begin += size
