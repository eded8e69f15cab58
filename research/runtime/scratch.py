"""Temporary folders that are removed even after their process was killed: by the next one."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX, LOCK = "adaptlab-", ".owner"


class ScratchFolder:
    """A new folder on a local disk, owned by this process as long as it lives.

    Folders of processes that have ended are removed first. As a context, it gives the path and
    removes the folder at its end.
    """

    def __init__(self) -> None:
        remove_abandoned()
        # The folder gets its name when its lock is held: until then no other process looks at it.
        unnamed = Path(tempfile.mkdtemp(prefix=f"new-{PREFIX}"))
        self._lock = FileLock(unnamed / LOCK, thread_local=False)
        self._lock.acquire()
        self.path = unnamed.rename(unnamed.with_name(unnamed.name.removeprefix("new-")))

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *raised: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Removes the folder."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned() -> None:
    """Removes the folders whose owner has ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        # A folder without the file of the lock is just being made, or is someone else's.
        if not (folder / LOCK).is_file():
            continue
        # Its owner may be alive, or another user.
        with suppress(Timeout, OSError), FileLock(folder / LOCK).acquire(timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
