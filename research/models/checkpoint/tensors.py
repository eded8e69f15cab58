"""Tensors of safetensors files, read in blocks so that peak memory is little above the result."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from research.common.errors import InputError

BLOCK = 8 << 20  # bytes of a file that are read at a time
ALIGNED = 64  # bytes; JAX uses an array with this alignment on CPU without a copy

Part = tuple[slice, ...]  # one slice without a step per axis


class NotFinite(ValueError):
    """The tensor of this name has numbers that are NaN or infinite."""


class Tensor(NamedTuple):
    """A tensor in a file; its values are not in memory.

    Attributes:
        file: a safetensors file.
        name: the tensor's name in the file.
        shape: the tensor's shape.
        kind: the type's name in safetensors, such as BF16.
    """

    file: Path
    name: str
    shape: tuple[int, ...]
    kind: str

    def read(self, part: Part, dtype: Any, transposed: bool = False) -> np.ndarray:
        """A part of the tensor, or of its transpose, as `dtype`; see `ALIGNED`.

        Raises NotFinite for numbers that are NaN or infinite, in the file or as `dtype`.
        """
        wanted = part[::-1] if transposed else part
        sizes = [len(range(*cut.indices(n))) for cut, n in zip(wanted, self.shape, strict=True)]
        array = _empty(sizes[::-1] if transposed else sizes, np.dtype(dtype))
        rows_first = array.T if transposed else array
        for rows, block in self._blocks(wanted):
            with np.errstate(over="ignore"):  # what `dtype` cannot hold is infinite then
                rows_first[rows] = block
            if not np.isfinite(rows_first[rows]).all():
                raise NotFinite(self.name)
        return array

    def equals(self, other: "Tensor") -> bool:
        """Whether two tensors of equal shape have equal values."""
        whole = (slice(None),) * len(self.shape)
        return all(
            np.array_equal(block, other._stored((rows, *whole[1:])), equal_nan=True)
            for rows, block in self._blocks(whole)
        )

    def _blocks(self, part: Part) -> Iterator[tuple[slice, np.ndarray]]:
        """`part` in blocks of about BLOCK bytes, each with its rows of `part`."""
        first, last, _ = part[0].indices(self.shape[0])
        row_bytes = 4 * math.prod(self.shape[1:])
        step = max(1, BLOCK // max(1, row_bytes))
        for start in range(first, last, step):
            stop = min(start + step, last)
            block = self._stored((slice(start, stop), *part[1:]))
            yield slice(start - first, stop - first), block

    def _stored(self, part: Part) -> np.ndarray:
        """A part in the file's type. The file is mapped only meanwhile: its pages take memory."""
        with safe_open(self.file, framework="numpy") as opened:
            return opened.get_slice(self.name)[part]


def tensors(files: Iterable[Path]) -> dict[str, Tensor]:
    """The tensors of safetensors files by name.

    Raises InputError for a file that is missing or damaged, and for a tensor in two files.
    """
    by_name: dict[str, Tensor] = {}
    for file in files:
        if not file.is_file():
            raise InputError("weights", str(file), "the index names it, but it is not there")
        try:
            with safe_open(file, framework="numpy") as opened:
                slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            allowed = f"it is damaged, or no safetensors file: {error}"
            raise InputError("weights", str(file), allowed) from error
        if twice := sorted(by_name.keys() & slices.keys()):
            raise InputError("weights", str(file), f"another shard holds {', '.join(twice)} too")
        for name, tensor in slices.items():
            by_name[name] = Tensor(file, name, tuple(tensor.get_shape()), tensor.get_dtype())
    return by_name


def _empty(shape: Iterable[int], dtype: np.dtype) -> np.ndarray:
    shape = tuple(shape)
    size = math.prod(shape) * dtype.itemsize
    flat = np.empty(size + ALIGNED, np.uint8)
    start = -flat.ctypes.data % ALIGNED
    return flat[start : start + size].view(dtype).reshape(shape)
