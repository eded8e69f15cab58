"""The grid of cells of a results folder, each with the trial chosen on dev."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from research.common.errors import InputError
from research.records.failures import Failure, read_failures
from research.records.schema import CellKey, RunRecord
from research.records.test_access_log import count_accesses_by_cell
from research.records.trial_selection import choose, same_trial, search_runs
from research.reporting.grid.cell import ResultCell, shared_seeds
from research.reporting.grid.comparable_runs import StoredRun, distinct, read_runs
from research.stats.best_group import LEVEL, best_group
from research.stats.intervals import influences


@dataclass(frozen=True)
class Grid:
    """All cells of a results folder.

    Attributes:
        name: name of the experiment.
        backbone: name of the backbone; of several, their labels; None where no run used one.
        rows: names of the rows, baselines last: approaches, of each backbone if there are several.
        baselines: the approaches without the backbone.
        columns: (task, regime).
        cells: cells by (row, task, regime).
        best: the cells that are not significantly different from the best of their column.
        crossed: runs whose seeds differ by source, which belong to no cell.
        test_accesses: by cell, the number of choices evaluated on test, and the number of versions
            of the code that did so.
        failures: by cell, why it misses results.
        backbones: labels of the backbones if there are several; empty for one.
    """

    name: str
    backbone: str | None
    rows: tuple[str, ...]
    baselines: frozenset[str]
    columns: tuple[tuple[str, str], ...]
    cells: Mapping[CellKey, ResultCell]
    best: frozenset[CellKey]
    crossed: Mapping[CellKey, tuple[RunRecord, ...]] = field(default_factory=dict)
    test_accesses: Mapping[CellKey, tuple[int, int]] = field(default_factory=dict)
    failures: Mapping[CellKey, Failure] = field(default_factory=dict)
    backbones: tuple[str, ...] = ()

    def cell(self, row: str, column: tuple[str, str]) -> ResultCell | None:
        """The cell, None if it has no tested runs."""
        cell = self.cells.get((row, *column))
        return cell if cell and cell.runs else None

    def ordered(self) -> list[ResultCell]:
        """All cells, row by row."""
        keys = [(row, *column) for row in self.rows for column in self.columns]
        return [self.cells[key] for key in keys if key in self.cells]

    def tested(self) -> list[ResultCell]:
        """The cells with tested runs, row by row."""
        return [cell for cell in self.ordered() if cell.runs]

    def tested_in(self, column: tuple[str, str]) -> list[ResultCell]:
        """The cells of a column with tested runs."""
        return [cell for row in self.rows if (cell := self.cell(row, column)) is not None]

    def tested_of(self, row: str) -> list[ResultCell]:
        """The cells of a row with tested runs."""
        return [cell for column in self.columns if (cell := self.cell(row, column)) is not None]

    def by_column(self) -> dict[tuple[str, str], list[ResultCell]]:
        """The cells with tested runs of each column that has any."""
        cells = {column: self.tested_in(column) for column in self.columns}
        return {column: of_column for column, of_column in cells.items() if of_column}


def read_grid(folder: Path) -> Grid:
    """The grid of a results folder, built from its records and predictions.

    Raises InputError for damaged runs and for runs that cannot be compared.
    """
    stored, row_names = read_runs(folder)
    runs = [run for run in stored if not run.record.crossed]
    if not runs:
        raise InputError("results", str(folder), "all of its runs have crossed seeds")
    groups: dict[CellKey, list[StoredRun]] = defaultdict(list)
    for run in runs:
        groups[row_names.key(run.record)].append(run)
    crossed: dict[CellKey, tuple[RunRecord, ...]] = defaultdict(tuple)
    for run in stored:
        if run.record.crossed:
            crossed[row_names.key(run.record)] += (run.record,)
    cells = {key: _cell(key, group) for key, group in groups.items()}
    records = [run.record for run in runs]
    columns = distinct((record.task, record.regime) for record in records)
    baselines = frozenset(
        record.approach for record in records if not record.configuration.uses_backbone
    )
    # By the number in the plan, since not every task begins with the same approach.
    numbered = sorted(
        {
            (row_names.position(r), r.configuration.order.approach, row_names.key(r)[0])
            for r in records
        }
    )
    rows = distinct(name for *_, name in numbered)
    names = [record.backbone.name for record in records if record.backbone]
    labels = tuple(row_names.labels.values())
    return Grid(
        name=records[0].configuration.name,
        backbone=", ".join(labels) or (names[0] if names else None),
        rows=tuple(sorted(rows, key=lambda row: row in baselines)),
        baselines=baselines,
        columns=tuple(columns),
        cells=cells,
        best=frozenset(_best(cells, columns)),
        crossed=crossed,
        test_accesses=count_accesses_by_cell(folder, records, row_names.key),
        failures={row_names.key_of_failure(failure): failure for failure in read_failures(folder)},
        backbones=labels,
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
        search=search,
    )


def _search(records: Sequence[RunRecord]) -> tuple[tuple[RunRecord, ...], ...]:
    """The runs that selection on dev compares, by trial; none while some are missing."""
    trial_count = max(len(record.configuration.trials) for record in records)
    by_trial: dict[str, list[RunRecord]] = defaultdict(list)
    seeds = max(record.configuration.search_seeds for record in records)
    for record in search_runs(records, seeds):
        by_trial[record.trial_key].append(record)
    counts = {len(runs) for runs in by_trial.values()}
    if len(by_trial) < trial_count or len(counts) > 1:
        return ()
    return tuple(map(tuple, by_trial.values()))


def _tested(runs: Sequence[StoredRun], search: Sequence[RunRecord]) -> list[StoredRun]:
    """The tested runs of the trial with the best dev score."""
    if not search:
        return []
    trial = choose(search)
    return [run for run in runs if run.predictions and same_trial(run.record, trial)]


def _best(
    cells: Mapping[CellKey, ResultCell], columns: Sequence[tuple[str, str]]
) -> Iterator[CellKey]:
    """The best group of each column among its complete cells, compared on the seeds they share.

    Cells with scores that are not finite are left out. The level of 5 % holds for the whole table
    (Bonferroni over the columns).
    """
    of_column: dict[tuple[str, str], list[ResultCell]] = defaultdict(list)
    for (_, task, regime), cell in cells.items():
        of_column[task, regime].append(cell)
    compared = []
    for column in columns:
        complete = [c for c in of_column[column] if c.runs and c.complete and not c.broken]
        shared = shared_seeds(complete)
        if len(complete) > 1 and shared:
            compared.append((complete, shared))
    for complete, shared in compared:
        matrices = [cell.influence_on(shared) for cell in complete]
        is_best = best_group(matrices, LEVEL / len(compared))
        yield from (cell.key for cell, best in zip(complete, is_best, strict=True) if best)
