"""The store: one JSON file per run, never half-written, never silently replaced.

Every record is checked when it is read: its name, its settings, its predictions, its numbers.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.hashing import record_checksum, run_id, sha256
from research.records.schema import (
    WRONG_CONTENT,
    Kept,
    Record,
    check_form,
    check_metrics,
    parse_record,
    prediction_file,
    splits,
    to_json,
)


class RunStore:
    """The runs of one results folder: `runs/<id>.json` and `predictions/<id>.csv`, and for further
    splits `predictions/<id>.<split>.csv`.

    Raises InputError if a file is in the folder's place.
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError("results", str(self.folder), "a folder is expected, this is a file")

    def clear(self) -> None:
        """Removes what a process that was killed had half written; no other may be at work."""
        for rest in self.folder.glob("*/.*.tmp"):
            rest.unlink()

    def has(self, id: str) -> bool:
        """Whether a record of this id is stored."""
        return self._path(id).exists()

    def ids(self) -> list[str]:
        """The ids of all stored runs, sorted."""
        return sorted(path.stem for path in (self.folder / "runs").glob("*.json"))

    def all(self) -> list[Record]:
        """All records, each checked as by `read`, sorted by id."""
        return [self.read(id) for id in self.ids()]

    def read(self, id: str) -> Record:
        """The record of a run, checked as by `load`."""
        return self.load(id)[0]

    def load(self, id: str) -> tuple[Record, Kept | None]:
        """A run's record and its predictions on test, None if its test score was not taken.

        The record is checked against its file name, its settings and its predictions. Raises
        InputError naming the file and the field that is wrong.
        """
        path = self._path(id)
        record = parse_record(path)
        check_form(record, path)
        for field, found in (
            ("run_id", record["run_id"]),
            ("settings", run_id(record["settings"])),
        ):
            if found != id:
                raise InputError(f"{path}: {field}", found, f"the file is named {id}")
        predictions = {split: self._read(record, split, path) for split in splits(record)}
        if record.get("checksum", record_checksum(record)) != record_checksum(record):
            raise InputError(f"{path}: checksum", record["checksum"], WRONG_CONTENT)
        return record, predictions.get("test")

    def write(
        self,
        record: Mapping[str, Any],
        predictions: Kept | None = None,
        others: Mapping[str, Kept] | None = None,
    ) -> Record:
        """Stores a run, the predictions first and the record last; returns the record as stored.

        A non-finite number is stored as null, since JSON has none. `predictions` belong to a record
        with test metrics and only to such a one; `others` are those on further splits that have
        metrics. The field `predictions` is filled in here.
        Raises InputError if a run of this id exists, unless the record adds the test result to the
        same training.
        """
        stored = to_json(record)
        id, path = stored["run_id"], self._path(stored["run_id"])
        given = {} if predictions is None else {"test": predictions, **(others or {})}
        contents = {split: found.to_csv() for split, found in given.items()}
        stored["predictions"] = _references(id, contents)
        stored["checksum"] = record_checksum(stored)
        check_form(stored, path)
        if run_id(stored["settings"]) != id:
            raise InputError(f"{path}: run_id", id, "not the id of the record's settings")
        for split, content in contents.items():
            check_metrics(stored, content, path, split)
        if path.exists():
            _check_addition(self.read(id), stored, path)
        for split, content in contents.items():
            write_atomically(self.folder / prediction_file(id, split), content)
        text = json.dumps(stored, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(path, text.encode())
        return stored

    def _path(self, id: str) -> Path:
        return self.folder / "runs" / f"{id}.json"

    def _read(self, record: Record, split: str, path: Path) -> Kept:
        """The predictions on a split, checked against the record."""
        reference = splits(record)[split]
        expected = prediction_file(record["run_id"], split)
        if reference.get("file") != expected:
            raise InputError(f"{path}: predictions.file", reference.get("file"), f"not {expected}")
        try:
            content = (self.folder / expected).read_bytes()
        except OSError as error:
            raise InputError(
                f"{path}: predictions.file", expected, f"cannot be read: {error}"
            ) from error
        if sha256(content) != reference.get("sha256"):
            raise InputError(
                f"{path}: predictions.sha256",
                reference.get("sha256"),
                f"{WRONG_CONTENT}: {expected} is not the file it was",
            )
        return check_metrics(record, content, path, split)


def _references(id: str, contents: Mapping[str, bytes]) -> dict[str, Any] | None:
    """The record's field `predictions`: the file of test and its digest, and within `others` those
    of further splits.
    """
    files = {
        split: {"file": prediction_file(id, split), "sha256": sha256(content)}
        for split, content in contents.items()
    }
    if not files:
        return None
    test = files.pop("test")
    return {**test, "others": files} if files else test


def _check_addition(old: Record, new: Record, path: Path) -> None:
    """A stored run may gain its test result, and nothing else."""
    if old["metrics"].get("test") is not None:
        raise InputError(str(path), old["run_id"], "the run is stored with its test score already")
    if new["metrics"].get("test") is None:
        raise InputError(str(path), old["run_id"], "the run is stored already")
    if old["metrics"].get("dev") != new["metrics"].get("dev"):
        raise InputError(
            f"{path}: metrics.dev",
            new["metrics"].get("dev"),
            f"the stored training of this run has {old['metrics'].get('dev')}",
        )
