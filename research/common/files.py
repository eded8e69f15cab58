"""Files and folders that are written as a whole: old content or new, never a part."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from research.common.errors import InputError, StorageError


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


@contextmanager
def whole_folder(folder: str | Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` at the end: all of it, or nothing.

    Raises InputError if the folder exists and is not empty.
    """
    folder = Path(folder).absolute()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise InputError("folder", str(folder), "a folder that is empty or not there is expected")
    work = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
    work.mkdir(parents=True)
    try:
        yield work
        os.replace(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


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
