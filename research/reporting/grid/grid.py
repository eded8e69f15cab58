"""From runs to the cells of a table: an approach on a task in a regime, as chosen on dev."""

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from research.common.errors import InputError
from research.common.hashing import canonical
from research.evaluation.baselines import BASELINES
from research.records.schema import Kept, Record
from research.records.test_access import seen_by_cell
from research.records.trial_selection import CellKey, cell_of, choose, same_trial, search_runs
from research.reporting.grid.comparable_runs import StoredRun, distinct, read_runs
from research.stats.best_group import LEVEL, best_group
from research.stats.intervals import Interval, influences, interval
from research.tasks.metrics.classification import LOWEST

ENOUGH = 5  # seeds, for intervals that cover as often as they say: see results/statistics/


@dataclass(frozen=True)
class ResultCell:
    """runs: the tested runs of the chosen trial by seed, none while the search is unfinished.
    records: all of its runs. influence: [S, I] by metric. predictions: of each of `runs` on test.
    trials: how many were searched. search: the runs of each that the choice on dev rests on, in the
    order of the plan, with the same seeds; none while the search is unfinished. planned: how many
    seeds the protocol asks for. ran, diverged: counts of all runs, those of the search included.
    prompt_only: whether nothing trains.
    """

    key: CellKey
    runs: tuple[Record, ...]
    records: tuple[Record, ...]
    influence: Mapping[str, np.ndarray]
    predictions: tuple[Kept, ...]
    trials: int
    search: tuple[tuple[Record, ...], ...]
    planned: int
    ran: int
    diverged: int
    prompt_only: bool

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the tested runs, ascending."""
        return tuple(run["seed"] for run in self.runs)

    @property
    def complete(self) -> bool:
        """Whether no seed of the protocol is missing."""
        return len(self.runs) >= self.planned

    @property
    def provisional(self) -> bool:
        """Whether seeds of the protocol are missing, or are too few for the interval to hold."""
        return not self.complete or len(self.runs) < ENOUGH

    @property
    def headline(self) -> str:
        """The name of the task's headline metric."""
        return self.runs[0]["metric"]

    @property
    def dev(self) -> tuple[float, ...]:
        """The mean dev score of each trial of `search`; none where a run has no such score. A trial
        with a diverged run has the least there is, for the protocol would choose any other.
        """
        found = []
        for trial in self.search:
            scores: list[Any] = [(r["metrics"].get("dev") or {}).get(r["metric"]) for r in trial]
            if any(run["status"] == "diverged" for run in trial):
                scores = [LOWEST.get(trial[0]["metric"], 0.0)]
            if None in scores:
                return ()
            found.append(statistics.fmean(scores))
        return tuple(found)

    def score(self, metric: str) -> Interval:
        """The mean over the seeds and its interval, as fractions."""
        return interval(self.influence[metric], lowest=LOWEST.get(metric, 0.0))

    def numbers(self, group: str, name: str) -> list[Any]:
        """A value of `costs` or `notes` of each run, those that are known."""
        values = [run[group].get(name) for run in self.runs]
        return [value for value in values if value is not None]

    def cost(self, name: str) -> float | None:
        """The median of a cost over the runs, None if it was not measured."""
        values = self.numbers("costs", name)
        return statistics.median(values) if values else None


@dataclass(frozen=True)
class Grid:
    """All cells of a results folder. rows: approaches, baselines last. columns: (task, regime).
    best: the cells that cannot be told apart from the best of their column. older: how many runs
    of older code were left out. crossed: the records of runs whose seeds differ by source, which
    are in no cell. seen: how many choices of a cell saw test, and by how many versions of the code.
    """

    name: str
    backbone: str | None
    rows: tuple[str, ...]
    baselines: frozenset[str]
    columns: tuple[tuple[str, str], ...]
    cells: Mapping[CellKey, ResultCell]
    best: frozenset[CellKey]
    older: int
    crossed: Mapping[CellKey, tuple[Record, ...]] = field(default_factory=dict)
    seen: Mapping[CellKey, tuple[int, int]] = field(default_factory=dict)

    def cell(self, row: str, column: tuple[str, str]) -> ResultCell | None:
        """The cell, None if it has no tested runs."""
        found = self.cells.get((row, *column))
        return found if found and found.runs else None

    def tested(self) -> list[ResultCell]:
        """The cells with tested runs, row by row."""
        found = [self.cell(row, column) for row in self.rows for column in self.columns]
        return [cell for cell in found if cell is not None]


def read_grid(folder: Path) -> Grid:
    """The grid of a results folder, rebuilt from runs/ and predictions/ alone.

    Raises InputError for damaged runs and for runs that cannot be compared.
    """
    every, older = read_runs(folder)
    runs = [run for run in every if "seeds" not in run.record]
    if not runs:
        raise InputError("results", str(folder), "it has no run but such with crossed seeds")
    groups: dict[CellKey, list[StoredRun]] = defaultdict(list)
    for run in runs:
        groups[cell_of(run.record)].append(run)
    crossed: dict[CellKey, tuple[Record, ...]] = defaultdict(tuple)
    for run in every:
        crossed[cell_of(run.record)] += (run.record,) * ("seeds" in run.record)
    cells = {key: _cell(key, group) for key, group in groups.items()}
    records = [run.record for run in runs]
    columns = distinct((record["task"], record["regime"]) for record in records)
    baselines = frozenset(record["approach"] for record in records if _is_baseline(record))
    # By the plan's number first: another task may have begun with another approach.
    named = sorted({(_row_number(record), record["approach"]) for record in records})
    rows = distinct(name for _, name in named)
    names = [record["backbone"]["name"] for record in records if record["backbone"]]
    return Grid(
        name=records[0]["configuration"].get("name", folder.name),
        backbone=names[0] if names else None,
        rows=tuple(sorted(rows, key=lambda row: row in baselines)),
        baselines=baselines,
        columns=tuple(columns),
        cells=cells,
        best=frozenset(_best(cells, columns)),
        older=older,
        crossed=crossed,
        seen=seen_by_cell(folder, records),
    )


def _cell(key: CellKey, runs: Sequence[StoredRun]) -> ResultCell:
    records = [run.record for run in runs]
    search = _search(records)
    chosen = _tested(runs, [run for trial in search for run in trial])
    by_seed = sorted(chosen, key=lambda run: run.record["seed"])
    found = [run.predictions for run in by_seed if run.predictions is not None]
    names = found[0].names if found else ()
    return ResultCell(
        key=key,
        runs=tuple(run.record for run in by_seed),
        records=tuple(records),
        influence={metric: influences(found, metric) for metric in names},
        predictions=tuple(found),
        trials=len(distinct(canonical(record["trial"]) for record in records)),
        search=search,
        planned=_largest(records, "seeds") or 1,
        ran=len(records),
        diverged=sum(record["status"] == "diverged" for record in records),
        prompt_only=all(_is_prompt(record) for record in records),
    )


def _search(records: Sequence[Record]) -> tuple[tuple[Record, ...], ...]:
    """The runs that the choice on dev rests on, by trial; none while one lacks search seeds."""
    planned = max(len(record["configuration"].get("trials", ())) for record in records)
    by_trial: dict[str, list[Record]] = defaultdict(list)
    for record in search_runs(records, _largest(records, "search_seeds")):
        by_trial[canonical(record["trial"])].append(record)
    counts = {len(runs) for runs in by_trial.values()}
    if len(by_trial) < planned or len(counts) > 1:
        return ()
    return tuple(map(tuple, by_trial.values()))


def _tested(runs: Sequence[StoredRun], search: Sequence[Record]) -> list[StoredRun]:
    """The tested runs of the trial that dev chooses."""
    if not search:
        return []
    trial = choose(search)
    return [run for run in runs if run.predictions and same_trial(run.record, trial)]


def _best(
    cells: Mapping[CellKey, ResultCell], columns: Sequence[tuple[str, str]]
) -> Iterator[CellKey]:
    """The best group of each column among its complete cells, compared on the seeds they share.

    The columns share the level of 5 % (Bonferroni), so that it is that of the whole table.
    """
    compared = []
    for column in columns:
        of_column = [cell for key, cell in cells.items() if key[1:] == column]
        complete = [cell for cell in of_column if cell.runs and cell.complete]
        shared = set.intersection(*(set(cell.seeds) for cell in complete)) if complete else set()
        if len(complete) > 1 and shared:
            compared.append((complete, shared))
    for complete, shared in compared:
        matrices = [
            cell.influence[cell.headline][[seed in shared for seed in cell.seeds]]
            for cell in complete
        ]
        inside = best_group(matrices, LEVEL / len(compared))
        yield from (cell.key for cell, among in zip(complete, inside, strict=True) if among)


def _largest(records: Sequence[Record], name: str) -> int | None:
    """The largest value of a count in the configurations, None where none has it."""
    values = [record["configuration"].get(name) for record in records]
    return max((value for value in values if value is not None), default=None)


def _row_number(record: Record) -> int:
    return record["configuration"].get("order", {}).get("approach", 0)


def _is_prompt(record: Record) -> bool:
    """Whether the approach is the backbone with a prompt and without a stage."""
    approach = record["configuration"].get("approach")
    return isinstance(approach, Mapping) and not approach.get("stages") and not _is_baseline(record)


def _is_baseline(record: Record) -> bool:
    approach = record["configuration"].get("approach")
    named = isinstance(approach, Mapping) and approach.get("baseline") is not None
    return named or record["approach"] in BASELINES
