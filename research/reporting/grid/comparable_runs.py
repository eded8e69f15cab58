"""The runs of a results folder that one table may compare, in the order of their plan."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research.common.errors import InputError
from research.common.hashing import canonical
from research.records.schema import Kept, Record
from research.records.store import RunStore
from research.records.trial_selection import cell_of


class StoredRun(NamedTuple):
    """A checked record and its predictions, None if test was not scored."""

    record: Record
    predictions: Kept | None


def read_runs(folder: Path) -> tuple[list[StoredRun], int]:
    """The runs of the newest code version in plan order, and how many older ones are left out.

    Raises InputError if the folder has no runs, a damaged one, or runs that cannot be compared.
    """
    if not (folder / "runs").is_dir():
        raise InputError("results", str(folder), "a folder with runs/ is expected")
    store = RunStore(folder)
    runs = [StoredRun(*store.load(id)) for id in store.ids()]
    if not runs:
        raise InputError("results", str(folder), "the folder runs/ is empty")
    newest = max(run.record["code_version"] for run in runs)
    current = [run for run in runs if run.record["code_version"] == newest]
    _check_comparable([run.record for run in current], str(folder / "runs"))
    _check_same_items(current, folder)
    return sorted(current, key=lambda run: _place(run.record)), len(runs) - len(current)


def distinct(values: Iterable[Hashable]) -> list[Any]:
    """The values without repetition, in order of first appearance."""
    return list(dict.fromkeys(values))


def _place(record: Record) -> tuple[Any, ...]:
    """Sorts by the plan: its numbers where the configuration has them, names after that."""
    configuration = record["configuration"]
    order = configuration.get("order", {})
    numbers = [order.get(name, len(order)) for name in ("task", "regime", "approach")]
    trials = [canonical(trial) for trial in configuration.get("trials", ())]
    trial = canonical(record["trial"])
    known = trials.index(trial) if trial in trials else len(trials)
    return (*numbers, cell_of(record), known, trial, record["seed"], record["run_id"])


def _check_comparable(records: Sequence[Record], folder: str) -> None:
    """One backbone, one version of each task's data, one run per place in the plan."""
    alone = "keep the results of each in a folder of its own"
    backbones = {str(r["backbone"].get("checksum")) for r in records if r["backbone"]}
    if len(backbones) > 1:
        raise InputError(f"{folder}: backbone", sorted(backbones), f"a table has one; {alone}")
    facts: dict[str, Callable[[Record], Any]] = {
        "data.task_checksum": lambda record: record["data"].get("task_checksum"),
        "metric": lambda record: record["metric"],
        "labels": lambda record: tuple(record["labels"]),
    }
    for field, fact in facts.items():
        seen: dict[str, Any] = {}
        for record in records:
            first = seen.setdefault(record["task"], fact(record))
            if fact(record) != first:
                where = f"{folder}/{record['run_id']}.json: {field}"
                allowed = f"other runs of task {record['task']} have {first!r}; {alone}"
                raise InputError(where, fact(record), allowed)
    places = defaultdict(list)
    for record in records:
        seed = canonical(record.get("seeds", record["seed"]))
        places[(cell_of(record), canonical(record["trial"]), seed)].append(record)
    for (cell, trial, seed), same in places.items():
        if len(same) > 1:
            ids = [record["run_id"] for record in same]
            what = f"all are {', '.join(cell)}, trial {trial}, seed {seed} with other settings"
            raise InputError(folder, ids, f"{what}; {alone}")


def _check_same_items(runs: Sequence[StoredRun], folder: Path) -> None:
    """All runs of a task were tested on the same items, which paired tests rest on."""
    gold: dict[str, np.ndarray] = {}
    for record, predictions in runs:
        if predictions is None:
            continue
        first = gold.setdefault(record["task"], predictions.gold)
        if not np.array_equal(first, predictions.gold):
            where = str(folder / record["predictions"]["file"])
            allowed = f"the items differ from those of other runs of task {record['task']}"
            raise InputError(where, f"{len(predictions.gold)} items", allowed)
