"""YAML files of tasks, with the files that they include."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import yaml

from research.common.errors import InputError

MOST_BYTES = 10_000_000  # of a file
MOST_INCLUDES = 50  # files of a chain of includes
_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Function(NamedTuple):
    """A `!function` of a file, such as `utils.process_docs`.

    Attributes:
      name: module and function.
      folder: of the file that names it.
    """

    name: str
    folder: str


class _Loader(_SafeLoader):
    """The safe loader, which also reads `!function`; `folder` is set by its user."""

    folder = ""


def _function(loader: Any, node: Any) -> Function:
    return Function(str(loader.construct_scalar(node)), loader.folder)


_Loader.add_constructor("!function", _function)


class YamlReader:
    """Reads YAML files with what they include; each file is read at most one time.

    A file's own keys have precedence over included ones, and later includes over earlier ones.
    """

    def __init__(self) -> None:
        self._files: dict[str, Mapping[str, Any]] = {}
        self._merged: dict[str, Mapping[str, Any]] = {}

    def read(self, path: str) -> Mapping[str, Any]:
        """The keys of a file and of its includes.

        Raises InputError for a file that is missing or is not a mapping in YAML, and for includes
        that form a loop.
        """
        return self._with_includes(os.path.abspath(path), ())

    def _with_includes(self, path: str, chain: tuple[str, ...]) -> Mapping[str, Any]:
        if path in self._merged:
            return self._merged[path]
        if path in chain or len(chain) > MOST_INCLUDES:
            names = " includes ".join(map(os.path.basename, (*chain, path)))
            raise InputError("include", os.path.basename(path), f"the files form a loop: {names}")
        own = self._own(path)
        merged: dict[str, Any] = {}
        for name in _as_list(own.get("include")):
            if not isinstance(name, str):
                raise InputError(f"include of {path}", name, "the name of a file is expected")
            included = os.path.abspath(os.path.join(os.path.dirname(path), name))
            if not os.path.isfile(included):
                raise InputError(f"include of {path}", name, "no such file")
            values = self._with_includes(included, (*chain, path))
            merged |= {key: value for key, value in values.items() if key != "task_list"}
        merged |= {key: value for key, value in own.items() if key != "include"}
        self._merged[path] = merged
        return merged

    def _own(self, path: str) -> Mapping[str, Any]:
        if path not in self._files:
            self._files[path] = _load(path)
        return self._files[path]


def _load(path: str) -> Mapping[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise InputError("file", path, "no such file") from error
    except OSError as error:
        raise InputError("file", path, f"it cannot be read ({error.strerror})") from error
    if len(content) > MOST_BYTES:
        raise InputError("file", path, f"a task file has at most {MOST_BYTES:,} bytes")
    loader = _Loader(content)
    loader.folder = os.path.dirname(path)
    try:
        values = loader.get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise InputError("file", path, f"it is not valid YAML ({_reason(error)})") from error
    finally:
        loader.dispose()
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise InputError("file", path, "a mapping such as `task: my_task` is expected")
    return values


def _reason(error: Exception) -> str:
    """The problem and its line."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error) or type(error).__name__
    problem = " ".join(str(problem).split())
    return problem if mark is None else f"line {mark.line + 1}: {problem}"


def _as_list(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
