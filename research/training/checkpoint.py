"""Checkpoints of a cohort with Orbax: trained leaves, optimizer state, step and random key.

The backbone is not saved: the identity has its checksum.
"""

import json
import shutil
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.hashing import record_checksum
from research.common.json_io import parse_json
from research.runtime.clock import spent_on
from research.runtime.memory import free_bytes
from research.training.array_tree import bytes_of, read_tree, tree_digest, write_tree
from research.training.checkpoint_errors import check_room, storing, whole
from research.training.json_numbers import from_json_numbers, to_json_numbers

# Saving takes at most 5 % of a run: after a save, training goes on for 19 times its seconds.
PAUSE = 19
# A save beside training holds a second copy of its arrays, and many processes may save at once. On
# two cores it hides a part of at most 5 % of a run, which is not worth much memory.
SHARE_OF_FREE = 1 / 32
# Bytes per second of a save on two busy cores, to expect the time of the first one.
SPEED = 150e6


class Part(NamedTuple):
    """Arrays that are saved together.

    Attributes:
        version: number of their version; parts of one name and version are equal.
        arrays: tree of arrays.
    """

    version: int
    arrays: Any


class Checkpoints:
    """The newest checkpoint of one cohort.

    It consists of parts, and of `checkpoint.json`, which names their versions. A part that has not
    changed since the last save is not written again. A save is complete or absent, since the file
    is replaced last: a run killed while writing resumes from the checkpoint before.

    Where memory allows, a thread writes while training continues; otherwise the arrays are written
    without a copy. An error in the thread is raised by the next call of any method. As a context,
    the object waits for the thread at the end.

    Args:
        folder: of the checkpoints.
        identity: plain data that must be equal when training resumes.
        seconds: the least time between two saves; it is longer where a save takes long.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], seconds: float = 30.0):
        self.folder, self.identity, self.seconds = folder, identity, seconds
        self.saved_at, self.took = time.monotonic(), 0.0
        self._saved: dict[str, dict[str, Any]] = {}  # version and digest of each part
        self._thread: ThreadPoolExecutor | None = None
        self._writing: Future[None] | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        with spent_on("saving checkpoints"):
            if self._thread is not None:
                self._thread.shutdown()
                self._thread = None
            if error is None:
                self.wait()

    def of_part(self, begin: int, size: int) -> "Checkpoints":
        """The checkpoints of `size` members from index `begin` on."""
        return Checkpoints(self.folder / f"part_{begin}_{size}", self.identity, self.seconds)

    def due(self) -> bool:
        """Whether the time between two saves has passed since the last one."""
        if self._writing is not None:
            if not self._writing.done():
                return False
            self.wait()
        return time.monotonic() - self.saved_at >= max(self.seconds, PAUSE * self.took)

    def save(self, parts: Mapping[str, Part], progress: Any) -> None:
        """Saves arrays and plain data `progress`.

        Raises StorageError where the disk is full or the system refuses to write.
        """
        self.wait()
        changed = {
            name: part
            for name, part in parts.items()
            if self._saved.get(name, {}).get("version") != part.version
        }
        unchanged = {name: self._saved[name] for name in parts if name not in changed}
        size = bytes_of([part.arrays for part in changed.values()])
        with storing(self.folder):
            check_room(self.folder, size)
        content = {
            "identity": self.identity,
            "progress": to_json_numbers(progress),
            "parts": unchanged,
        }
        if size > SHARE_OF_FREE * (free_bytes() or 0):
            self._write(changed, content)
            return
        # On a CPU these are views, and the next step leaves their buffers alone.
        on_host = {
            name: part._replace(arrays=jax.tree.map(np.asarray, part.arrays))
            for name, part in changed.items()
        }
        self._thread = self._thread or ThreadPoolExecutor(1, "checkpoint")
        self._writing = self._thread.submit(self._write, on_host, content)

    def wait(self) -> None:
        """Waits for the end of a save. Raises its error."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def restore(self, like: Mapping[str, Any]) -> tuple[dict[str, Any], Any] | None:
        """(arrays by part, progress) of the last save; None without a save.

        Args:
            like: trees with the shapes of the parts; those that were not saved are absent from the
                result.

        Raises InputError if the checkpoint is of another cohort, or damaged.
        """
        self.wait()
        self.took = bytes_of(like) / SPEED
        with whole(self.folder):
            content = self._content()
            self._saved = {} if content is None else content["parts"]
            arrays = {name: self._read(name, like[name]) for name in self._saved}
        for name in like:
            self._remove_unsaved(name)
        return None if content is None else (arrays, from_json_numbers(content["progress"]))

    def _content(self) -> dict[str, Any] | None:
        """The content of `checkpoint.json`; None without one."""
        if not self._file.exists():
            return None
        content = parse_json(self._file.read_bytes())
        if content["checksum"] != record_checksum(content):
            raise ValueError("its content is not the one that was saved")
        if content["identity"] != self.identity:
            raise InputError("checkpoint", str(self.folder), "it was written by another cohort")
        return content

    def _read(self, name: str, like: Any) -> Any:
        """The saved arrays of a part."""
        arrays = read_tree(self._part_folder(name, self._saved[name]["version"]), like)
        if self._saved[name]["digest"] != tree_digest(arrays):
            raise ValueError("its numbers are not those that were saved")
        return arrays

    def _write(self, parts: Mapping[str, Part], content: dict[str, Any]) -> None:
        """Writes the parts, then `checkpoint.json`, then removes the parts that it replaces."""
        begun = time.monotonic()
        with storing(self.folder):
            for name, part in parts.items():
                folder = self._part_folder(name, part.version)
                shutil.rmtree(folder, ignore_errors=True)  # of a save that was killed
                write_tree(folder, part.arrays)
                digest = tree_digest(part.arrays)
                content["parts"][name] = {"version": part.version, "digest": digest}
            content["checksum"] = record_checksum(content)
            write_atomically(self._file, json.dumps(content, allow_nan=False).encode())
        self._saved = content["parts"]
        for name in parts:
            self._remove_unsaved(name)
        self.saved_at = time.monotonic()
        self.took = self.saved_at - begun

    def _remove_unsaved(self, name: str) -> None:
        """Removes what `checkpoint.json` does not name of a part."""
        saved = str(self._saved[name]["version"]) if name in self._saved else None
        for folder in (self.folder / name).glob("*"):
            if folder.name != saved:
                shutil.rmtree(folder, ignore_errors=True)

    def _part_folder(self, name: str, version: int) -> Path:
        return self.folder / name / str(version)

    @property
    def _file(self) -> Path:
        return self.folder / "checkpoint.json"
