"""Reads the runs of a results folder and checks that one table can compare them."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from research.common.errors import InputError
from research.common.hashing import canonical
from research.records.predictions.kinds import AnyPredictions
from research.records.schema import RunRecord, prediction_file
from research.records.store import RunStore
from research.records.trial_selection import same_trial
from research.reporting.grid.row_names import SEPARATE, RowNames, row_names
from research.runtime.memory import uncollected


class StoredRun(NamedTuple):
    """A stored run.

    Attributes:
        record: its record, checked.
        predictions: its predictions on test; None if it was not evaluated on test.
    """

    record: RunRecord
    predictions: AnyPredictions | None


def read_runs(folder: Path) -> tuple[list[StoredRun], RowNames]:
    """The runs of a results folder in plan order, and the names of their rows.

    Raises InputError if the folder has no runs, a damaged one, or runs that cannot be compared.
    """
    store = RunStore(folder)
    with uncollected():
        runs = [StoredRun(*store.load(id)) for id in store.ids()]
    if not runs:
        raise InputError("results", str(folder), "a folder with runs/ is expected")
    records = [run.record for run in runs]
    names = row_names(records, str(folder / "runs"))
    _check_comparable(records, names, str(folder / "runs"))
    _check_same_items(runs, folder)
    return sorted(runs, key=lambda run: _plan_order(run.record, names)), names


def distinct(values: Iterable[Hashable]) -> list[Any]:
    """The values without duplicates, in order of first appearance."""
    return list(dict.fromkeys(values))


def _plan_order(record: RunRecord, names: RowNames) -> tuple[Any, ...]:
    """Sort key: the order of the plan, then names."""
    order = record.configuration.order
    trials = record.configuration.trials
    numbers = (number for number, trial in enumerate(trials) if same_trial(record, trial))
    number = next(numbers, len(trials))
    position = (order.task, order.regime, names.position(record), order.approach)
    row = names.key(record)
    return (*position, row, number, record.trial_key, record.seed, record.run_id)


def _check_comparable(records: Sequence[RunRecord], names: RowNames, folder: str) -> None:
    """Raises InputError for several versions of a task's data, and for several runs of the same
    cell, trial and seed.
    """
    facts: dict[str, Callable[[RunRecord], Any]] = {
        "data.task_checksum": lambda record: record.data.task_checksum,
        "metric": lambda record: record.metric,
        "labels": lambda record: record.labels,
    }
    for name, fact in facts.items():
        first: dict[str, Any] = {}
        for record in records:
            expected = first.setdefault(record.task, fact(record))
            if fact(record) != expected:
                allowed = f"other runs of task {record.task} have {expected!r}; {SEPARATE}"
                raise InputError(f"{folder}/{record.run_id}.json: {name}", fact(record), allowed)
    ids_of = defaultdict(list)
    for record in records:
        key = names.key(record), record.trial_key, canonical(record.seeds.plain)
        ids_of[key].append(record.run_id)
    for (cell, trial, seed), ids in ids_of.items():
        if len(ids) > 1:
            same = f"all are {', '.join(cell)}, trial {trial}, seed {seed} with other settings"
            raise InputError(folder, ids, f"{same}; {SEPARATE}")


def _check_same_items(runs: Sequence[StoredRun], folder: Path) -> None:
    """Raises InputError unless all runs of a task were tested on the same items, as paired tests
    require.
    """
    gold: dict[str, np.ndarray] = {}
    for record, predictions in runs:
        if predictions is None:
            continue
        first = gold.setdefault(record.task, predictions.gold)
        if not np.array_equal(first, predictions.gold):
            file = str(folder / prediction_file(record.run_id, "test"))
            allowed = f"the items differ from those of other runs of task {record.task}"
            raise InputError(file, f"{len(predictions.gold)} items", allowed)
