"""The grid of cells of a table: an approach on a task in a regime, with the trial chosen on dev."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from research.common.errors import InputError
from research.common.hashing import canonical
from research.records.predictions import AnyPredictions
from research.records.schema import CellKey, RunRecord
from research.records.test_access import count_accesses_by_cell
from research.records.trial_selection import choose, same_trial, search_runs
from research.reporting.grid.comparable_runs import StoredRun, distinct, read_runs
from research.stats.best_group import LEVEL, best_group
from research.stats.intervals import Interval, influences, interval
from research.tasks.metrics.classification import LOWEST

T = TypeVar("T")
ENOUGH = 5  # seeds; with fewer, intervals cover less than stated, see results/statistics/


@dataclass(frozen=True)
class ResultCell:
    """An approach on a task in a regime.

    Attributes:
        key: (approach, task, regime).
        runs: tested runs of the chosen trial by seed; none while the search is unfinished.
        records: all runs of the cell.
        influence: influence values [S, I] by metric.
        predictions: predictions on test of each of `runs`.
        trials: number of trials searched.
        search: the runs that the choice on dev rests on, by trial in the order of the plan, each
            trial with the same seeds; none while the search is unfinished.
        planned: number of seeds that the protocol asks for.
        ran: number of all runs.
        diverged: number of diverged runs among all runs.
        prompt_only: whether nothing trains.
    """

    key: CellKey
    runs: tuple[RunRecord, ...]
    records: tuple[RunRecord, ...]
    influence: Mapping[str, np.ndarray]
    predictions: tuple[AnyPredictions, ...]
    trials: int
    search: tuple[tuple[RunRecord, ...], ...]
    planned: int
    ran: int
    diverged: int
    prompt_only: bool

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the tested runs, ascending."""
        return tuple(run.seed for run in self.runs)

    @property
    def complete(self) -> bool:
        """Whether no planned seed is missing."""
        return len(self.runs) >= self.planned

    @property
    def provisional(self) -> bool:
        """Whether planned seeds are missing, or seeds are too few for the interval to be valid."""
        return not self.complete or len(self.runs) < ENOUGH

    @property
    def headline(self) -> str:
        """The name of the task's headline metric."""
        return self.runs[0].metric

    @property
    def dev(self) -> tuple[float, ...]:
        """The mean dev score of each trial of `search`; none where a run has no dev score. A trial
        with a diverged run gets the lowest score, since selection would prefer any other.
        """
        means = []
        for trial in self.search:
            scores = [score for run in trial if (score := run.score("dev")) is not None]
            if any(run.diverged for run in trial):
                means.append(LOWEST.get(trial[0].metric, 0.0))
            elif len(scores) < len(trial):
                return ()
            else:
                means.append(statistics.fmean(scores))
        return tuple(means)

    def score(self, metric: str) -> Interval:
        """The mean over the seeds and its interval, as fractions."""
        return interval(self.influence[metric], lowest=LOWEST.get(metric, 0.0))

    def known(self, value: Callable[[RunRecord], T | None]) -> list[T]:
        """A value of each run, without those that are None."""
        return [known for run in self.runs if (known := value(run)) is not None]

    def cost(self, name: str) -> float | None:
        """The median of a cost over the runs, None if it was not measured."""
        values = self.known(lambda run: getattr(run.costs, name))
        return statistics.median(values) if values else None


@dataclass(frozen=True)
class Grid:
    """All cells of a results folder.

    Attributes:
        name: name of the experiment.
        backbone: name of the backbone; None where no run used one.
        rows: approaches, baselines last.
        baselines: the approaches without the backbone.
        columns: (task, regime).
        cells: cells by (approach, task, regime).
        best: the cells that are not significantly different from the best of their column.
        crossed: runs whose seeds differ by source, which belong to no cell.
        seen: by cell, how many choices were evaluated on test, by how many versions of the code.
    """

    name: str
    backbone: str | None
    rows: tuple[str, ...]
    baselines: frozenset[str]
    columns: tuple[tuple[str, str], ...]
    cells: Mapping[CellKey, ResultCell]
    best: frozenset[CellKey]
    crossed: Mapping[CellKey, tuple[RunRecord, ...]] = field(default_factory=dict)
    seen: Mapping[CellKey, tuple[int, int]] = field(default_factory=dict)

    def cell(self, row: str, column: tuple[str, str]) -> ResultCell | None:
        """The cell, None if it has no tested runs."""
        cell = self.cells.get((row, *column))
        return cell if cell and cell.runs else None

    def tested(self) -> list[ResultCell]:
        """The cells with tested runs, row by row."""
        cells = [self.cell(row, column) for row in self.rows for column in self.columns]
        return [cell for cell in cells if cell is not None]


def read_grid(folder: Path) -> Grid:
    """The grid of a results folder, built from its records and predictions.

    Raises InputError for damaged runs and for runs that cannot be compared.
    """
    stored = read_runs(folder)
    runs = [run for run in stored if not run.record.crossed]
    if not runs:
        raise InputError("results", str(folder), "all of its runs have crossed seeds")
    groups: dict[CellKey, list[StoredRun]] = defaultdict(list)
    for run in runs:
        groups[run.record.cell].append(run)
    crossed: dict[CellKey, tuple[RunRecord, ...]] = defaultdict(tuple)
    for run in stored:
        if run.record.crossed:
            crossed[run.record.cell] += (run.record,)
    cells = {key: _cell(key, group) for key, group in groups.items()}
    records = [run.record for run in runs]
    columns = distinct((record.task, record.regime) for record in records)
    baselines = frozenset(
        record.approach for record in records if record.configuration.baseline is not None
    )
    # By the plan's number first: another task may have begun with another approach.
    named = sorted({(record.configuration.order.approach, record.approach) for record in records})
    rows = distinct(name for _, name in named)
    names = [record.backbone.name for record in records if record.backbone]
    return Grid(
        name=records[0].configuration.name,
        backbone=names[0] if names else None,
        rows=tuple(sorted(rows, key=lambda row: row in baselines)),
        baselines=baselines,
        columns=tuple(columns),
        cells=cells,
        best=frozenset(_best(cells, columns)),
        crossed=crossed,
        seen=count_accesses_by_cell(folder, records),
    )


def _cell(key: CellKey, runs: Sequence[StoredRun]) -> ResultCell:
    records = [run.record for run in runs]
    search = _search(records)
    chosen = _tested(runs, [run for trial in search for run in trial])
    by_seed = sorted(chosen, key=lambda run: run.record.seed)
    predictions = [run.predictions for run in by_seed if run.predictions is not None]
    names = predictions[0].names if predictions else ()
    return ResultCell(
        key=key,
        runs=tuple(run.record for run in by_seed),
        records=tuple(records),
        influence={metric: influences(predictions, metric) for metric in names},
        predictions=tuple(predictions),
        trials=len(distinct(canonical(record.trial) for record in records)),
        search=search,
        planned=max(record.configuration.seeds for record in records),
        ran=len(records),
        diverged=sum(record.diverged for record in records),
        prompt_only=all(_is_prompt(record) for record in records),
    )


def _search(records: Sequence[RunRecord]) -> tuple[tuple[RunRecord, ...], ...]:
    """The runs that the choice on dev rests on, by trial; none while search runs are missing."""
    planned = max(len(record.configuration.trials) for record in records)
    by_trial: dict[str, list[RunRecord]] = defaultdict(list)
    seeds = max(record.configuration.search_seeds for record in records)
    for record in search_runs(records, seeds):
        by_trial[canonical(record.trial)].append(record)
    counts = {len(runs) for runs in by_trial.values()}
    if len(by_trial) < planned or len(counts) > 1:
        return ()
    return tuple(map(tuple, by_trial.values()))


def _tested(runs: Sequence[StoredRun], search: Sequence[RunRecord]) -> list[StoredRun]:
    """The tested runs of the trial that dev chooses."""
    if not search:
        return []
    trial = choose(search)
    return [run for run in runs if run.predictions and same_trial(run.record, trial)]


def _best(
    cells: Mapping[CellKey, ResultCell], columns: Sequence[tuple[str, str]]
) -> Iterator[CellKey]:
    """The best group of each column among its complete cells, compared on the seeds they share.

    The columns share the level of 5 % (Bonferroni): it holds for the whole table.
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


def _is_prompt(record: RunRecord) -> bool:
    """Whether the approach is the backbone with a prompt, without training."""
    return record.configuration.baseline is None and not record.configuration.stages
