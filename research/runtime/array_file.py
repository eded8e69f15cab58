"""Files of arrays that a sweep reads again, with a digest of their content."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from research.common.errors import StorageError
from research.common.files import replaced_file
from research.common.hashing import arrays_digest, canonical


def write_arrays(file: Path, arrays: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Writes arrays and texts beside them as a safetensors file; atomic."""
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    digest = arrays_digest(contiguous, canonical(metadata))
    save_arrays(file, contiguous, {**metadata, "digest": digest})


def save_arrays(
    file: Path, contiguous: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Writes contiguous arrays as a safetensors file, without a copy in memory; atomic."""
    try:
        with replaced_file(file) as temporary:
            save_file(dict(contiguous), temporary, None if metadata is None else dict(metadata))
    except SafetensorError as error:
        raise StorageError("file", str(file), f"it cannot be written ({error})") from error


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
