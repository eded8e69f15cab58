"""One sweep at a time works in a results folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from research.common.errors import InputError


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """The folder, made if it is not there, for this process alone; the system lets it go with the
    process, however that ends.

    Raises InputError where another process has it, and where nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock").acquire(timeout=0)
    except Timeout as error:
        allowed = "another sweep is at work in it; wait for it, or name another folder"
        raise InputError("results", str(folder), allowed) from error
    except OSError as error:
        allowed = f"a folder that can be written to is expected ({error.strerror})"
        raise InputError("results", str(folder), allowed) from error
    with lock:
        yield
