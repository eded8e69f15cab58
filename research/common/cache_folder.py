"""The user's folder for what can be computed again."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """The user's cache folder; without a home folder, one among the temporary files."""
    named = os.environ.get("XDG_CACHE_HOME")
    if named:
        return Path(named)
    try:
        return Path.home() / ".cache"
    except RuntimeError:  # HOME is not set and the user has no entry in the system's list
        return Path(tempfile.gettempdir()) / f"adaptlab-cache-{os.getuid()}"


def is_private(folder: Path) -> bool:
    """Whether a folder is outside the temporary files, or belongs to this user alone."""
    if folder.parent != Path(tempfile.gettempdir()):
        return True
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    return status.st_uid == os.getuid() and not status.st_mode & 0o022
