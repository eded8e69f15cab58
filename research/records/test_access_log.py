"""The log of test evaluations, `test_access.jsonl` beside runs/, with a line for each choice.

The lines are chained by checksums, so changed and removed lines are detected. Deleting runs does
not delete the log.
"""

import datetime
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from research.common.config import build
from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.hashing import canonical, record_checksum
from research.common.json_io import parse_json
from research.records.schema import CellKey, RunRecord
from research.records.store import RunStore
from research.records.test_access import (
    Protocol,
    TestAccess,
    accesses_of,
    choice_id,
    count_accesses,
)

if TYPE_CHECKING:  # JAX and transformers are not needed to read a log
    from research.experiments.plan import Run
    from research.tasks.task import Task

FILE = "test_access.jsonl"


class TestAccessLog:
    """The log of test evaluations of a results folder. The threads of a sweep share one.

    Raises InputError for a file that was changed.
    """

    __test__ = False  # not a test of pytest

    def __init__(self, folder: Path):
        self.path = folder / FILE
        self._lock = threading.Lock()

    @property
    def lost(self) -> bool:
        """Whether the file is missing although runs were evaluated on test."""
        return not self.path.is_file() and RunStore(self.path.parent).has_predictions()

    def all(self) -> list[TestAccess]:
        """All entries in order; none if there is no file."""
        return [access for access, _ in self._entries()]

    def record(self, run: "Run") -> None:
        """Adds the choice of a run, unless it is logged; called before evaluation on test."""
        cell, now = run.cell, datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        experiment = cell.experiment
        access = TestAccess(
            approach=cell.approach.name,
            task=cell.task.name,
            regime=str(cell.regime),
            task_checksum=cell.task.checksum,
            choice=choice_id(run.settings),
            code_version=run.settings["code_version"],
            trial=dict(run.trial),
            protocol=Protocol(experiment.seeds, experiment.search_seeds, len(cell.trials)),
            when=now,
            test=cell.task.test_checksum,
            backbone=cell.backbone_checksum if cell.compared_backbone else None,
        )
        self._add([access])

    def backfill(self, records: Iterable[RunRecord], tasks: Iterable["Task"]) -> None:
        """Adds missing accesses of stored runs, for example after the file was lost.

        Args:
            records: records of the folder.
            tasks: the loaded tasks, whose test data are known.
        """
        tests = {task.checksum: task.test_checksum for task in tasks}
        self._add(accesses_of(records, tests))

    def missing(self, records: Iterable[RunRecord]) -> list[TestAccess]:
        """The test evaluations of these records that are not in the log."""
        logged = {access.identity for access in self.all()}
        return [a for a in accesses_of(records, {}) if a.identity not in logged]

    def _add(self, accesses: Iterable[TestAccess]) -> None:
        with self._lock:
            stored = self._identities
            new: dict[str, TestAccess] = {}
            for access in accesses:
                if access.identity not in stored:
                    new.setdefault(access.identity, access)
            if not new:
                return
            entries = self._entries()
            lines = self.path.read_bytes().splitlines() if entries else []
            previous = entries[-1][1] if entries else ""
            for access in new.values():
                line = {**access.to_json(), "previous": previous}
                previous = record_checksum(line)
                lines.append(canonical({**line, "checksum": previous}).encode())
            write_atomically(self.path, b"".join(line + b"\n" for line in lines))
            stored.update(new)

    def _entries(self) -> list[tuple[TestAccess, str]]:
        """Each entry and its checksum."""
        if not self.path.is_file():
            return []
        entries, previous = list[tuple[TestAccess, str]](), ""
        for number, line in enumerate(self.path.read_bytes().splitlines(), 1):
            source = f"{self.path}: line {number}"
            fields = _parse_line(line, source)
            checksum = fields.get("checksum")
            if fields.get("previous") != previous or checksum != record_checksum(fields):
                allowed = "the line was changed, or the line before it was changed or removed"
                raise InputError(source, checksum, allowed)
            names = fields.keys() - {"previous", "checksum"}
            access = build(TestAccess, {name: fields[name] for name in names}, source)
            entries.append((access, str(checksum)))
            previous = checksum
        return entries

    @cached_property
    def _identities(self) -> set[str]:
        return {access.identity for access in self.all()}


def count_accesses_by_cell(
    folder: Path,
    records: Iterable[RunRecord],
    key: Callable[[RunRecord], CellKey] = lambda record: record.cell,
) -> dict[CellKey, tuple[int, int]]:
    """See `count_accesses`, for the cells of these records of a folder.

    The records count as well as the log, since the file may be lost. An access whose backbone is
    not known counts for the cells of all backbones.

    Args:
        folder: the results folder.
        records: records of runs.
        key: the key of a record's cell in the result, different for different backbones.
    """
    records = list(records)
    logged, stored = TestAccessLog(folder).all(), accesses_of(records, {})
    accesses = defaultdict[CellKey, list[TestAccess]](list)
    for access in (*logged, *stored):
        accesses[access.cell].append(access)
    backbone_of = {access.choice: access.backbone for access in stored if access.backbone}
    counts = {}
    for cell_key, record in {key(record): record for record in records}.items():
        checksum = record.backbone.checksum if record.backbone else None
        of_backbone = [
            access
            for access in accesses[record.cell]
            if checksum is None
            or (access.backbone or backbone_of.get(access.choice)) in (None, checksum)
        ]
        task = record.data.task_checksum
        counts[cell_key] = count_accesses(of_backbone, record.cell, task)
    return counts


def _parse_line(line: bytes, source: str) -> Mapping[str, Any]:
    try:
        fields = parse_json(line)
    except ValueError as error:
        raise InputError(source, str(error), "a line of JSON is expected") from error
    if not isinstance(fields, dict):
        raise InputError(source, fields, "a JSON object is expected")
    return fields
