"""The lock on test: which choices of a cell have seen it, and when.

`test_looks.jsonl` lies beside runs/, a line for each choice, chained by checksums: a line cannot be
changed or taken out from between others unnoticed, and the deletion of runs does not delete it.
"""

import datetime
import threading
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from research.common.errors import InputError
from research.common.files import write_atomically
from research.common.hashing import canonical, record_checksum, run_id
from research.common.json_io import parse_json
from research.experiments.plan import Run
from research.records.schema import Record
from research.records.trial_selection import CellKey, cell_of
from research.tasks.task import Task, examples_to_json
from research.tasks.task import task_checksum as digest

TestAccess = dict[str, Any]
FILE = "test_looks.jsonl"
# Other seeds of the same choice are no other choice; nor is the same one by newer code, of which
# the line tells all the same.
NO_CHOICE = ("seed", "code_version")
# What makes a look the same as another: a cell, a choice of it and a code version.
SAME = ("approach", "task", "regime", "task_checksum", "choice", "code_version")
FIELDS = (*SAME, "test", "trial", "protocol", "when")


class TestAccessLog:
    """The looks at test in a results folder. The threads of a sweep share one.

    Raises InputError for a file that is not what it was.
    """

    def __init__(self, folder: Path):
        self.path = folder / FILE
        self._lock = threading.Lock()

    @property
    def lost(self) -> bool:
        """Whether test was seen and nothing here tells by which choices, but for the runs."""
        folder = self.path.parent
        return not self.path.is_file() and any((folder / "predictions").glob("*.csv"))

    def all(self) -> list[TestAccess]:
        """From the first on; none where there is no file."""
        if not self.path.is_file():
            return []
        found, before = list[TestAccess](), ""
        for number, line in enumerate(self.path.read_bytes().splitlines(), 1):
            look = _parsed(line, f"{self.path}: line {number}")
            if look.get("previous") != before or look.get("checksum") != record_checksum(look):
                allowed = "a look at test that is not what it was, or not after the one before"
                raise InputError(f"{self.path}: line {number}", look.get("checksum"), allowed)
            found.append(look)
            before = look["checksum"]
        return found

    def record(self, run: Run) -> None:
        """Before test is scored for a run: its choice is added, unless it is there."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        cell = run.cell
        seen = {
            "approach": cell.approach.name,
            "task": cell.task.name,
            "regime": str(cell.regime),
            "trial": dict(run.trial),
            "settings": run.settings,
            "configuration": run.configuration,
            "created": now,
        }
        self._add([_access(seen, test_checksum(cell.task))])

    def backfill(self, records: Iterable[Record], tasks: Iterable[Task]) -> None:
        """Adds the looks of stored runs that are not there: of runs older than the file, and where
        the file was lost. tasks: those at hand, whose test data are known.
        """
        tests = {task.checksum: test_checksum(task) for task in tasks}
        self._add(accesses_of(records, tests))

    def _add(self, looks: Iterable[TestAccess]) -> None:
        with self._lock:
            known = self._known
            new = [look for look in looks if _same(look) not in known]
            new = list({_same(look): look for look in reversed(new)}.values())[::-1]
            if not new:
                return
            found = self.all()
            for look in new:
                look["previous"] = found[-1]["checksum"] if found else ""
                found.append({**look, "checksum": record_checksum(look)})
            text = "".join(f"{canonical(look)}\n" for look in found)
            write_atomically(self.path, text.encode())
            known.update(map(_same, new))

    @cached_property
    def _known(self) -> set[str]:
        return set(map(_same, self.all()))


def accesses_of(records: Iterable[Record], tests: Mapping[str, str]) -> list[TestAccess]:
    """Of the tested runs among these, the oldest first. tests: of test data, by task checksum."""
    found = []
    for record in records:
        if record["metrics"].get("test") is not None:
            test = tests.get(str(_task_checksum(record["settings"])))
            found.append(_access(record, test))
    return sorted(found, key=lambda look: str(look["when"]))


def seen_by_cell(folder: Path, records: Iterable[Record]) -> dict[CellKey, tuple[int, int]]:
    """See `seen`, of the cells of these records of a folder. The records tell of looks as well, so
    that they count where the file is lost or older runs have none.
    """
    records = list(records)
    looks = [*TestAccessLog(folder).all(), *accesses_of(records, {})]
    tasks = {cell_of(record): _task_checksum(record["settings"]) for record in records}
    return {cell: seen(looks, cell, task) for cell, task in tasks.items()}


def seen(looks: Iterable[TestAccess], cell: CellKey, task_checksum: str | None) -> tuple[int, int]:
    """How many choices of a cell saw its test data, and by how many versions of the code.

    task_checksum: of the task as the cell's runs have it. A look at the test data of another
    version of the task counts if they are the same.
    """
    own = [look for look in looks if (look["approach"], look["task"], look["regime"]) == cell]
    same = {look["test"] for look in own if look["task_checksum"] == task_checksum} - {None}
    own = [look for look in own if look["task_checksum"] == task_checksum or look["test"] in same]
    return len({look["choice"] for look in own}), len({look["code_version"] for look in own})


def test_checksum(task: Task) -> str:
    """Of the test examples, whatever they are asked with."""
    return digest(examples_to_json(task.test))


def _access(run: Mapping[str, Any], test: str | None) -> TestAccess:
    """Of a run by its record, or by as much as is known of it before. test: of its test data."""
    settings, configuration = run["settings"], run["configuration"]
    choice = {name: value for name, value in settings.items() if name not in NO_CHOICE}
    return {
        **{name: run[name] for name in ("approach", "task", "regime", "trial")},
        "task_checksum": _task_checksum(settings),
        "choice": run_id(choice),
        "code_version": settings.get("code_version"),
        "test": test,
        "protocol": {
            **{name: configuration.get(name) for name in ("seeds", "search_seeds")},
            "trials": len(configuration.get("trials", ())),
        },
        "when": run.get("created"),
    }


def _task_checksum(settings: Mapping[str, Any]) -> str | None:
    return (settings.get("task") or {}).get("checksum")


def _same(look: TestAccess) -> str:
    return canonical([look[name] for name in SAME])


def _parsed(line: bytes, where: str) -> TestAccess:
    try:
        look = parse_json(line)
    except ValueError as error:
        raise InputError(where, str(error), "a look at test in JSON is expected") from error
    if not isinstance(look, dict) or not set(FIELDS) <= look.keys():
        raise InputError(where, look, f"a JSON object with {', '.join(FIELDS)} is expected")
    return look
