"""Copies of arrays that are kept while programs run."""

import mmap
from typing import Any

import numpy as np

LARGE = 1 << 20  # bytes of an array that is kept outside the heap


def kept_copy(array: Any) -> np.ndarray:
    """A copy of an array on the host, for one that is kept while programs run.

    A large one is outside the heap. There it would lie where the temporaries of a step were, and
    the next step would need other memory for these.
    """
    array = np.asarray(array)
    if array.nbytes < LARGE:
        return np.array(array)
    copy = np.frombuffer(mmap.mmap(-1, array.nbytes), array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
