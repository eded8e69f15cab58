"""Errors of saving and restoring a checkpoint, each in one sentence."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from research.common.errors import InputError, StorageError


def check_room(folder: Path, needed: int) -> None:
    """Raises StorageError for a disk with fewer than `needed` bytes left.

    Orbax would report it from several threads, in a thousand lines.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < needed:
        allowed = f"it takes {needed / 1e6:.1f} MB, and its disk has {free / 1e6:.1f} MB left"
        raise StorageError("checkpoint", str(folder), allowed)


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Raises errors of saving as StorageError."""
    try:
        yield
    except StorageError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        # Orbax gives the system's words at the end of a line with all names of the file.
        *_, reason = str(error).splitlines()[0].rpartition(": ")
        allowed = f"it cannot be written ({reason})"
        raise StorageError("checkpoint", str(folder), allowed) from error


@contextmanager
def whole(folder: Path) -> Iterator[None]:
    """Raises errors of reading broken files as InputError."""
    try:
        yield
    except InputError:
        raise
    except (ValueError, LookupError, TypeError, OSError) as error:
        allowed = "it is damaged; delete it, and its runs are trained from their start"
        raise InputError("checkpoint", str(folder), allowed) from error
