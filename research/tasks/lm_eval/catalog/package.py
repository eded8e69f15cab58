"""The folder of task files: the user's own, or that of the installed lm-evaluation-harness."""

import importlib.util
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from research.common.errors import InputError
from research.common.paths import resolve_path

PACKAGE = "lm_eval"


class TaskFolder(NamedTuple):
    """A folder of task files.

    Attributes:
      path: the folder.
      version: of the installed package; "" for a folder of the user.
    """

    path: Path
    version: str


def task_folder(folder: str | None = None) -> TaskFolder:
    """The folder of this name, or that of the installed package, which is not imported.

    Raises InputError for a folder that does not exist, and where the package is not installed.
    """
    if folder is not None:
        path = Path(resolve_path(folder, "folder"))
        if not path.is_dir():
            raise InputError("folder", folder, "no such folder of task files")
        return TaskFolder(path, "")
    path = _installed()
    if path is None:
        allowed = (
            "it takes the task files of lm-evaluation-harness: pip install 'adaptlab[lm_eval]', or "
            "pip install --no-deps lm_eval; or name a folder of task files"
        )
        raise InputError("folder", None, allowed)
    return TaskFolder(path, _version())


def _installed() -> Path | None:
    """The package's folder of tasks, found without importing the package; None without one."""
    spec = importlib.util.find_spec(PACKAGE)
    for location in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(location) / "tasks"
        if path.is_dir():
            return path
    return None


def _version() -> str:
    try:
        return metadata.version(PACKAGE)
    except metadata.PackageNotFoundError:
        return "unknown"
