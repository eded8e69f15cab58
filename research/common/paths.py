"""Paths in configs."""

import os
from importlib import resources
from pathlib import Path

from research.common.errors import InputError

MOST_BYTES = 255  # of a file name, on Linux and macOS


def resolve_path(name: str, field: str) -> str:
    """`name` with `~` and environment variables expanded, or the folder of a shipped checkpoint.

    Records store `name` itself, so they contain no paths of a machine. A name that is not a path,
    such as a hub id, is returned unchanged. Raises InputError for a variable that is not set, and
    for an invalid file name.
    """
    assets = Path(str(resources.files("research"))) / "assets"
    if name in {folder.name for folder in assets.iterdir() if folder.is_dir()}:
        return str(assets / name)
    path = os.path.expanduser(os.path.expandvars(name))
    if "$" in path:
        raise InputError(field, name, "its environment variable is not set")
    if "\0" in path or any(len(os.fsencode(part)) > MOST_BYTES for part in path.split(os.sep)):
        raise InputError(field, name, f"a path of names up to {MOST_BYTES} bytes is expected")
    return path
