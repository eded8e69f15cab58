"""States of rows at the trunk's boundary, and how they are padded into a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from research.evaluation.trunk.states import States
from research.evaluation.trunk.traced import Cut


class StateShape(NamedTuple):
    """The shape of one value of the trunk in a batch of B rows of W tokens.

    Attributes:
        repeats: entries of the first axis for each row, R; it has B * R.
        shape: the further axes, for rows without tokens.
        width_axis: that axis of `shape` to which W is added; None if no axis depends on W.
        dtype: of its numbers.
    """

    repeats: int
    shape: tuple[int, ...]
    width_axis: int | None
    dtype: np.dtype

    def of_row(self, width: int) -> tuple[int, ...]:
        """[R, ...], the shape for one row of `width` tokens."""
        sizes = list(self.shape)
        if self.width_axis is not None:
            sizes[self.width_axis] += width
        return (self.repeats, *sizes)


def state_shape(
    small: tuple[int, ...], large: tuple[int, ...], sizes: Sequence[tuple[int, int]], dtype: Any
) -> StateShape | None:
    """The shape that a value has by its shapes in two batches; None if it is not one of rows.

    Args:
        small: shape in the first batch.
        large: shape in the second batch.
        sizes: (rows, tokens of a row) of the two batches.
        dtype: of its numbers.
    """
    (rows, width), (more_rows, more_width) = sizes
    repeats, rest = divmod(small[0], rows)
    if rest or not repeats or large[0] != repeats * more_rows or len(small) != len(large):
        return None
    grown = [axis for axis in range(1, len(small)) if small[axis] != large[axis]]
    if any(large[axis] - small[axis] != more_width - width for axis in grown) or len(grown) > 1:
        return None
    shape = [size - width if axis in grown else size for axis, size in enumerate(small)]
    axis = grown[0] - 1 if grown else None
    # NumPy's files have no bfloat16; float32 holds its numbers exactly.
    stored = np.dtype(dtype) if np.dtype(dtype).kind in "fiub" else np.dtype(np.float32)
    return StateShape(repeats, tuple(shape[1:]), axis, stored)


@dataclass(frozen=True)
class RowStates:
    """The states of the rows of a split.

    Attributes:
        cut: where the values are in the function.
        shapes: of each value.
        rows: the values [R, ...] of each row, cut to its tokens and one position of padding.
        seconds: [I] seconds that the part below the boundary took for each row.
        flops_by_width: FLOPs of that part for a row, by a polynomial of its tokens.
        shared_flops: FLOPs of that part for what all rows of a batch share.
    """

    cut: Cut
    shapes: tuple[StateShape, ...]
    rows: tuple[tuple[np.ndarray, ...], ...]
    seconds: np.ndarray
    flops_by_width: tuple[float, float]
    shared_flops: float

    def flops(self, rows: int, width: int) -> float:
        """FLOPs of the part below the boundary for a batch: W and W^2 for each row of W tokens."""
        linear, squared = self.flops_by_width
        return self.shared_flops + rows * (linear * width + squared * width**2)

    def batch(self, indices: np.ndarray, size: int, width: int) -> States:
        """The states of the rows at `indices`, padded to `size` rows of `width` tokens.

        All further padding has the values of the first, since zero may mean something: attention
        scores are -inf there.
        """
        arrays = [np.zeros((size, *shape.of_row(width)), shape.dtype) for shape in self.shapes]
        for row, index in enumerate(indices):
            values = zip(arrays, self.rows[index], self.shapes, strict=True)
            for array, value, shape in values:
                if shape.width_axis is None:
                    array[row] = value
                    continue
                axis = shape.width_axis + 1
                places = np.minimum(np.arange(array.shape[axis + 1]), value.shape[axis] - 1)
                array[row] = value.take(places, axis=axis)
        return States(tuple(arrays), self.cut)
