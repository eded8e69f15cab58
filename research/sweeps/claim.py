"""One sweep at a time works in a results folder."""

import errno
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from research.errors import InputError

# Of file systems that have no locks, as some of clusters: there the user has to take care.
WITHOUT_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """The folder, made if it is not there, for this process alone; the system lets it go with the
    process, however that ends.

    Raises InputError where another process has it, and where nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "w")  # noqa: SIM115
    except OSError as error:
        allowed = f"a folder that can be written to is expected ({error.strerror})"
        raise InputError("results", str(folder), allowed) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            allowed = "another sweep is at work in it; wait for it, or name another folder"
            raise InputError("results", str(folder), allowed) from error
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
        yield
