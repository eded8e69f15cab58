"""The index of a folder of task files, cached between processes."""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from research.common.cache_folder import cache_folder, is_private
from research.common.errors import StorageError
from research.common.files import write_atomically
from research.common.hashing import sha256
from research.tasks.lm_eval.catalog.index import (
    GroupEntry,
    TaskEntry,
    TaskIndex,
    build_index,
    task_files,
)
from research.tasks.lm_eval.catalog.package import TaskFolder


def open_index(folder: TaskFolder) -> TaskIndex:
    """The index of a folder, read again where a file, the package or this code has changed."""
    root = str(folder.path)
    file = _cache_file(root)
    key = _key(folder)
    index = _cached(file, key)
    if index is None:
        index = build_index(root)
        if is_private(cache_folder()):
            # A cache that cannot be written costs time and changes nothing.
            with contextlib.suppress(StorageError):
                write_atomically(file, _content(index, key))
    return index


def _cache_file(root: str) -> Path:
    digest = sha256(os.path.abspath(root).encode())[:16]
    return cache_folder() / "adaptlab" / "lm_eval" / f"{digest}.json"


def _key(folder: TaskFolder) -> str:
    """A hash of the package's version, of this code, and of the files' names, sizes and times."""
    parts = [folder.version]
    for code in sorted(Path(__file__).parents[1].rglob("*.py")):
        parts.append(sha256(code.read_bytes()))
    for path in task_files(str(folder.path)):
        status = os.stat(path)
        parts.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    return sha256("\n".join(parts).encode("utf-8", "surrogateescape"))


def _content(index: TaskIndex, key: str) -> bytes:
    values = {
        "key": key,
        "tasks": list(index.tasks.values()),
        "groups": index.groups,
        "errors": index.errors,
    }
    return json.dumps(values).encode()


def _cached(file: Path, key: str) -> TaskIndex | None:
    """The index in a file; None where there is none, or for another key."""
    try:
        values = json.loads(file.read_bytes())
    except (OSError, ValueError):  # no cache, or one of another program
        return None
    if not isinstance(values, dict) or values.get("key") != key:
        return None
    entries = [_entry(*entry) for entry in values["tasks"]]
    groups = {
        name: GroupEntry(tuple(members), tuple(changed))
        for name, (members, changed) in values["groups"].items()
    }
    errors = tuple((path, reason) for path, reason in values["errors"])
    return TaskIndex({entry.name: entry for entry in entries}, groups, errors)


def _entry(*values: Any) -> TaskEntry:
    """An entry of its JSON values, whose lists were tuples."""
    name, path, output_type, (train, dev, test), choices, reasons, error = values
    return TaskEntry(name, path, output_type, (train, dev, test), choices, tuple(reasons), error)
