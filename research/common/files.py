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
    with replaced_file(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` at the end, see `write_atomically`."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            yield temporary
            _synchronize(temporary)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _synchronize(path.parent)
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


def _synchronize(path: Path) -> None:
    """Waits until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
