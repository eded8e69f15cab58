"""Computes states of the trunk that are not stored."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from research.common.hashing import sha256
from research.evaluation.batch import EncodedPrompts, Rows, batch_rows
from research.evaluation.length_batches import BatchShapes
from research.evaluation.trunk.boundary import Boundary
from research.evaluation.trunk.store import KeptState
from research.methods.method import Leaves
from research.runtime.executable import execution_clock
from research.tasks.encoding.encoded import Encoded

BATCH = 16  # rows
NARROWEST = 32  # tokens of a padded row


def row_keys(common: str, rows: Encoded, tokens: np.ndarray) -> list[str]:
    """The key of each row's states.

    Args:
        common: what the states of all rows depend on.
        rows: the rows.
        tokens: numbers of tokens that the states depend on.
    """
    return [
        sha256(common.encode() + row[:count].tobytes() + before.tobytes())
        for row, count, before in zip(rows.tokens, tokens, rows.prompt_length, strict=True)
    ]


def computed_states(
    boundary: Boundary, weights: Leaves, shared: tuple[Any, ...], batch: Rows, tokens: np.ndarray
) -> Iterator[KeptState]:
    """The states that all rows share, then those of each row.

    Args:
        boundary: of the trunk.
        weights: frozen leaves of the backbone, on the devices.
        shared: arrays that all rows share.
        batch: the rows.
        tokens: of each row. States are cut to these and one position of padding; further rows are
            padding.
    """
    begun = execution_clock()
    of_shared, of_rows = boundary.executable(weights, shared, batch)
    values = [
        np.asarray(value, shape.dtype)
        for value, shape in zip(of_rows, boundary.shapes, strict=True)
    ]
    seconds = (execution_clock() - begun) / len(tokens)
    yield KeptState(tuple(np.asarray(value) for value in of_shared), 0.0)
    by_row = [
        value.reshape(len(batch.length), shape.repeats, *value.shape[1:])
        for value, shape in zip(values, boundary.shapes, strict=True)
    ]
    for row, count in enumerate(tokens):
        cut = [
            value[row][tuple(map(slice, shape.of_row(int(count) + 1)))].copy()
            for value, shape in zip(by_row, boundary.shapes, strict=True)
        ]
        yield KeptState(tuple(cut), seconds)


def missing_batches(
    prompts: EncodedPrompts,
    tokens: np.ndarray,
    missing: Sequence[int],
    targets: int,
    devices: int,
    shapes: BatchShapes,
) -> Iterator[tuple[np.ndarray, Rows]]:
    """(indices, batch) of rows of equal padded width.

    The shape of a row's batch depends on the row alone, not on which other rows are missing, so
    that its states have the same bits in whatever order runs ask for them.
    """
    suffix = len(prompts.frame.suffix_ids)
    widths = {i: _width(int(tokens[i]) + 1 + suffix) for i in missing}
    for width in sorted(set(widths.values())):
        size = shapes.rows(width, BATCH, devices)
        indices = np.array([i for i in missing if widths[i] == width])
        for begin in range(0, len(indices), size):
            some = indices[begin : begin + size]
            yield some, batch_rows(prompts.rows, some, size, width - suffix, targets)


def _width(length: int) -> int:
    """The padded width: a power of two, so that the deep trunk is compiled for few widths."""
    return max(NARROWEST, 1 << (length - 1).bit_length())
