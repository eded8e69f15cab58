"""Files that are replaced as a whole: old content or new, never a part."""

import os
from pathlib import Path

from research.common.errors import StorageError


def write_atomically(path: Path, content: bytes) -> None:
    """The file holds the old content or the new one, whenever the machine stops.

    Raises StorageError where the system refuses, as with a full disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        allowed = f"it cannot be written ({error.strerror or error})"
        raise StorageError("file", str(path), allowed) from error


def _replace(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
