"""Locks by which one of several processes on a machine compiles a program that all need.

The others read it from JAX's persistent compilation cache. Without the locks, a sweep of sixteen
LoRA runs with two workers compiled everything twice: 25 of its 76 seconds. The folder of the locks
is a setting of the process, as that cache is in JAX: executables are created once per process and
shared by all its runs.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from research.common.hashing import sha256

_folder: Path | None = None


def set_lock_folder(folder: Path) -> None:
    """Sets the folder of the locks, on a local disk; all processes with this folder share them."""
    global _folder
    _folder = folder


def lock_folder() -> bool:
    """Whether the process has a folder of locks: other processes compile the same programs."""
    return _folder is not None


@contextmanager
def compile_lock(program: str, wait: bool) -> Iterator[bool]:
    """Holds the lock of a program while this process compiles it.

    Yields whether the lock was acquired: False if another process holds it and `wait` is False. The
    system releases the lock of a process that is killed.

    Args:
        program: Description of the program. Different programs with the same description wait for
            each other, which costs time only.
        wait: Whether to wait for another process.
    """
    if _folder is None:
        yield True
        return
    lock = FileLock(_folder / sha256(program.encode())[:32])
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
