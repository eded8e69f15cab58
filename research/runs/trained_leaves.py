"""Trained leaves of finished runs, on disk until the runs are evaluated on test."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from research.common.errors import InputError
from research.methods.method import Leaves
from research.runtime.array_file import read_arrays, write_arrays


class FinalLeaves(NamedTuple):
    """The leaves of a run after its last stage.

    Attributes:
        leaves: all leaves, those of the backbone among them.
        changed: the subset that training changed.
    """

    leaves: Leaves
    changed: Leaves


class TrainedLeaves:
    """One file per run in `folder`, with the leaves that differ from the backbone's.

    A finished run is not kept in memory. Its test evaluation reads this file, in the same process
    or in a later one. Files are written atomically.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def has(self, id: str) -> bool:
        """Whether the leaves of run `id` are on disk."""
        return self._file(id).is_file()

    def write(self, id: str, final: FinalLeaves, backbone: Leaves) -> None:
        """Stores the leaves of run `id`; of the backbone's leaves only the names."""
        added = {p: leaf for p, leaf in final.leaves.items() if leaf is not backbone.get(p)}
        metadata = {
            "leaves": json.dumps(list(final.leaves)),
            "changed": json.dumps(list(final.changed)),
        }
        write_arrays(self._file(id), {**added, **final.changed}, metadata)

    def read(self, id: str, backbone: Leaves) -> FinalLeaves:
        """The leaves of run `id`. Raises InputError for a damaged file."""
        file = self._file(id)
        try:
            arrays, metadata = read_arrays(file)
            leaves = {
                path: arrays[path] if path in arrays else backbone[path]
                for path in json.loads(metadata["leaves"])
            }
            changed: Leaves = {path: arrays[path] for path in json.loads(metadata["changed"])}
        except (KeyError, TypeError, ValueError) as error:
            allowed = f"the file is damaged ({error}); delete it and the run is trained again"
            raise InputError("run", str(file), allowed) from error
        return FinalLeaves(leaves, changed)

    def remove(self, ids: Iterable[str]) -> None:
        """Removes the files of runs that will not be evaluated on test any more."""
        for id in ids:
            self._file(id).unlink(missing_ok=True)

    def _file(self, id: str) -> Path:
        return self.folder / f"{id}.safetensors"
