"""Functions of a folder that the user names and trusts."""

import importlib.util
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from research.common.errors import InputError
from research.common.hashing import sha256
from research.tasks.lm_eval.config import TaskConfig
from research.tasks.lm_eval.refusals import TRUSTED
from research.tasks.lm_eval.yaml_file import Function


def with_functions(config: TaskConfig, folder: str) -> TaskConfig:
    """The task with the functions of `TRUSTED` in place of their names.

    Raises InputError for a function outside `folder`, and for one that cannot be imported.
    """
    root = os.path.realpath(folder)
    functions = {
        key: _function(key, value, root)
        for key in TRUSTED
        if isinstance(value := getattr(config, key), Function)
    }
    return replace(config, **functions)


def _function(key: str, value: Function, root: str) -> Callable[..., Any]:
    module_name, _, name = value.name.rpartition(".")
    path = os.path.realpath(os.path.join(value.folder, *module_name.split(".")) + ".py")
    if not path.startswith(os.path.join(root, "")):
        raise InputError(
            key, value.name, f"its file is outside the folder {root}, which is trusted"
        )
    if not module_name or not os.path.isfile(path):
        raise InputError(key, value.name, "no such file of functions beside the task file")
    function = getattr(_module(key, path), name, None)
    if not callable(function):
        raise InputError(key, value.name, f"{os.path.basename(path)} has no such function")
    return function


def _module(key: str, path: str) -> Any:
    """The module of a file, imported each time."""
    name = f"adaptlab_task_code_{sha256(path.encode())[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # for dataclasses of the file
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        allowed = f"it cannot be imported ({type(error).__name__}: {error})"
        raise InputError(key, os.path.basename(path), allowed) from error
    return module
