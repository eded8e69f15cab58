"""Temporary folders; those of killed processes are removed by the next process."""

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX, LOCK = "adaptlab-", ".owner"


class ScratchFolder:
    """A new temporary folder, owned by this process until it ends.

    Folders of processes that have ended are removed first. As a context manager, it returns the
    path and removes the folder at the end.
    """

    def __init__(self) -> None:
        remove_abandoned()
        # The folder is renamed once its lock is held; until then other processes ignore it.
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
        # A folder without a lock file is not one of these.
        if not (folder / LOCK).is_file():
            continue
        # The owner may be alive, or be another user.
        with suppress(Timeout, OSError), FileLock(folder / LOCK).acquire(timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
