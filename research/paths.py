"""Where a path in a configuration leads."""

import os
from importlib import resources
from pathlib import Path

from research.errors import InputError


def located(name: str, field: str) -> str:
    """`name` with `~` and environment variables filled in, or the folder of a shipped checkpoint.

    Records keep `name` itself, so they hold no path of one machine. A name that is no path, such
    as a hub id, is returned as it is. Raises InputError for a variable that is not set.
    """
    shipped = Path(str(resources.files("research"))) / "assets" / name
    if name and os.sep not in name and shipped.is_dir():
        return str(shipped)
    path = os.path.expanduser(os.path.expandvars(name))
    if "$" in path:
        raise InputError(field, name, "its environment variable is not set")
    return path
