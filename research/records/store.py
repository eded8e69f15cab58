"""Stores runs: one JSON file per run, written atomically and never replaced silently.

Finished folders may be packed into one archive, see `research.records.packing`. Every
record is checked when it is read: its name, its settings, its predictions, its numbers.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.hashing import record_checksum, run_id, sha256, without_checksum
from research.records.archive import ARCHIVE, read_archive
from research.records.json_data import parse_strict_json
from research.records.predictions.kinds import AnyPredictions, parse_answers
from research.records.record_checks import (
    WRONG_CONTENT,
    check_addition,
    check_metrics,
    check_splits,
)
from research.records.schema import RunRecord, prediction_file
from research.runtime.memory import uncollected

# A file by its path, time of change, size and inode; None for a file that is missing.
State = tuple[str, int, int, int] | None
# Records that this process has read and checked, with the states of their files at that time.
_CHECKED: dict[Path, tuple[RunRecord, tuple[State, ...]]] = {}
MOST_CHECKED = 50_000


class RunStore:
    """The runs of one results folder.

    A run is `runs/<id>.json` and `predictions/<id>.csv`, with `predictions/<id>.<split>.csv` for
    further splits. A missing file is looked up in the folder's archive. New runs are written as
    files. Raises InputError if the folder is a file.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError("results", str(self.folder), "a folder is expected, this is a file")

    def clear(self) -> None:
        """Removes half-written files of a killed process; no other process may be running."""
        for file in self.folder.rglob(".*.tmp"):
            if file.is_file():
                file.unlink()

    def has(self, id: str) -> bool:
        """Whether a record of this id is stored."""
        return self._path(id).exists() or record_name(id) in read_archive(self.folder)

    def ids(self) -> list[str]:
        """The ids of all stored runs, sorted."""
        archived = {
            Path(name).stem for name in read_archive(self.folder) if name.startswith("runs/")
        }
        return sorted(archived | {path.stem for path in (self.folder / "runs").glob("*.json")})

    def has_predictions(self) -> bool:
        """Whether predictions of any run are stored."""
        archived = any(name.startswith("predictions/") for name in read_archive(self.folder))
        return archived or any((self.folder / "predictions").glob("*.csv"))

    def all(self) -> list[RunRecord]:
        """All records, each checked as by `load`, sorted by id."""
        with uncollected():
            return [self.read(id) for id in self.ids()]

    def read(self, id: str) -> RunRecord:
        """The record of a run, checked as by `load`, once while its files stay the same."""
        return self._checked(id) or self.load(id)[0]

    def load(self, id: str) -> tuple[RunRecord, AnyPredictions | None]:
        """A run's record and its predictions on test, None if it was not evaluated on test.

        The record is checked against its file name, its settings and its predictions. Raises
        InputError naming the file and the field that is wrong.
        """
        path = self._path(id)
        if record := self._checked(id):
            return record, self._checked_predictions(record) if record.tested else None
        state = self._state(record_name(id))  # before it is read
        content = _parse_json(self.content(record_name(id)), path)
        record = RunRecord.from_json(without_checksum(content), str(path))
        states = (state, *self._states(record)[1:])
        for name, value in (("run_id", record.run_id), ("settings", run_id(record.settings))):
            if value != id:
                raise InputError(f"{path}: {name}", value, f"the file is named {id}")
        check_splits(record, path)
        predictions = {split: self._predictions(record, split) for split in record.predictions}
        if content.get("checksum") != record_checksum(content):
            raise InputError(f"{path}: checksum", content.get("checksum"), WRONG_CONTENT)
        if len(_CHECKED) >= MOST_CHECKED:
            _CHECKED.clear()
        _CHECKED[path] = record, states
        return record, predictions.get("test")

    def write(
        self, record: RunRecord, predictions: Mapping[str, AnyPredictions] | None = None
    ) -> RunRecord:
        """Stores a run, the predictions first and the record last; returns the record as stored.

        A non-finite number is stored as null, since JSON has none. The record's field `predictions`
        is filled in.

        Args:
            record: the record.
            predictions: predictions on every split that the record has test metrics of.

        Raises InputError if a run of this id exists, unless the record adds the test result to the
        same training.
        """
        path = self._path(record.run_id)
        contents = {split: value.to_csv() for split, value in (predictions or {}).items()}
        digests = {split: sha256(content) for split, content in contents.items()}
        content = replace(record, predictions=digests).to_json()
        content["checksum"] = record_checksum(content)
        stored = RunRecord.from_json(without_checksum(content), str(path))
        if run_id(stored.settings) != stored.run_id:
            raise InputError(
                f"{path}: run_id", stored.run_id, "not the id of the record's settings"
            )
        check_splits(stored, path)
        for split, table in contents.items():
            check_metrics(stored, table, path, split)
        if self.has(stored.run_id):
            check_addition(self.read(stored.run_id), stored, path)
        for split, table in contents.items():
            write_atomically(self.folder / prediction_file(stored.run_id, split), table)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(path, text.encode())
        return stored

    def _checked(self, id: str) -> RunRecord | None:
        """The record if this process has checked it and its files are the same since."""
        record, states = _CHECKED.get(self._path(id), (None, ()))
        return record if record and states == self._states(record) else None

    def _checked_predictions(self, record: RunRecord) -> AnyPredictions:
        """The predictions on test of a checked run."""
        file = prediction_file(record.run_id, "test")
        content = self.content(file)
        if sha256(content) != record.predictions["test"]:
            return self._predictions(record, "test")  # raises for it
        return parse_answers(content, record.labels, record.metric, str(self.folder / file))

    def _states(self, record: RunRecord) -> tuple[State, ...]:
        """The states of the files of a run, which change when they are written."""
        names = [prediction_file(record.run_id, split) for split in record.predictions]
        return tuple(map(self._state, (record_name(record.run_id), *names)))

    def _state(self, name: str) -> State:
        for path in (f"{self.folder}/{name}", f"{self.folder}/{ARCHIVE}"):
            try:
                status = os.stat(path)
            except OSError:
                continue
            return path, status.st_mtime_ns, status.st_size, status.st_ino
        return None

    def _path(self, id: str) -> Path:
        return self.folder / record_name(id)

    def content(self, name: str) -> bytes:
        """A file of the folder, or of its archive; raises InputError where neither has it."""
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            archived = read_archive(self.folder)
            if isinstance(error, FileNotFoundError) and name in archived:
                return archived[name]
            raise InputError("file", str(self.folder / name), f"cannot be read: {error}") from error

    def _predictions(self, record: RunRecord, split: str) -> AnyPredictions:
        """The predictions on a split, checked against the record."""
        path, file = self._path(record.run_id), prediction_file(record.run_id, split)
        content, digest = self.content(file), record.predictions[split]
        if sha256(content) != digest:
            allowed = f"{WRONG_CONTENT}: {file} has another sha256"
            raise InputError(f"{path}: predictions.{split}", digest, allowed)
        return check_metrics(record, content, path, split)


def record_name(id: str) -> str:
    return f"runs/{id}.json"


def _parse_json(content: bytes, path: Path) -> Any:
    try:
        return parse_strict_json(content)
    except ValueError as error:
        raise InputError(str(path), str(error), "a run record in JSON is expected") from error
