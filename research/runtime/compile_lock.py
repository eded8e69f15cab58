"""Programs that several processes of one machine need at once are compiled by one of them.

The others read them from JAX's persistent cache. Without that, a sweep of sixteen LoRA runs by two
workers compiled everything twice: 25 of its 76 seconds.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_folder: Path | None = None


def set_lock_folder(folder: Path) -> None:
    """From now on with all processes that name this folder, which is to be on a local disk."""
    global _folder
    _folder = folder


def lock_folder() -> bool:
    """Whether other processes compile the same programs."""
    return _folder is not None


@contextmanager
def compile_lock(program: str, wait: bool) -> Iterator[bool]:
    """The right to compile a program, however it is described, for this process alone.

    Gives False where another has it and this one is not to wait. Programs described alike that are
    not the same only wait for each other. The system ends the turn of a process that is killed.
    """
    if _folder is None:
        yield True
        return
    lock = FileLock(_folder / hashlib.sha256(program.encode()).hexdigest()[:32])
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
