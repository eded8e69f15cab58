"""Files of arrays that a sweep reads again, with a digest of their content."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save

from research.common.files import write_atomically
from research.common.hashing import arrays_digest, canonical


def write_arrays(file: Path, arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Writes arrays and texts beside them as a safetensors file; atomic."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    digest = arrays_digest(contiguous, canonical(metadata))
    write_atomically(file, save(contiguous, metadata={**metadata, "digest": digest}))


def read_arrays(file: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """(arrays, metadata) of a file. Raises ValueError if they do not match the digest."""
    try:
        with safe_open(file, framework="numpy") as opened:
            metadata = dict(opened.metadata() or {})
        arrays = load_file(file)
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    digest = metadata.pop("digest", None)
    if digest != arrays_digest(arrays, canonical(metadata)):
        raise ValueError("its numbers are not those that were written")
    return arrays, metadata
