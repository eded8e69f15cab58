"""Tuning tables: expected results of fewer trials, plateaus of learning rates and failed runs.

One table per task and regime. Numbers come from the search on dev, in which all trials of a cell
have the same seeds; the train-dev gap is that of the tested runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from research.reporting.format import MISSING, amount, is_rate, rates_note, tried_rates
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.grid.measures import train_dev_difference
from research.reporting.table import Table, TableCell, add_notes
from research.stats.search_curves import POINT, Plateau, best_of, noise, plateau

NOTES = (
    "Plateau: learning rates around the best whose mean dev score is within the tolerance of the "
    "best: one point or, where larger, one standard error of a difference between two rates (over "
    "the seeds of the search, pooled over the rows of a table). Linear interpolation between "
    "rates; ≥: the plateau reaches the lowest or highest rate tried.",
    "Best of k: expected best dev score, in percent, of k trials drawn at random without "
    "replacement (Dodge et al. 2019, with the unbiased estimator of Tang et al. 2020). The value "
    "for all trials is optimistic, since it was selected. A trial with a diverged run counts as "
    "the lowest score.",
    "Diverged, not learned: among the runs of the search. Not learned: no better on dev than "
    "without training.",
    "Train-dev gap: score of the tested runs on as many training as dev examples minus the dev "
    "score, in points.",
)


@dataclass(frozen=True)
class Tuning:
    """Results of the search of a cell.

    Attributes:
        curve: expected best dev score of 1, 2, ..., and all trials.
        plateau: plateau of learning rates; None where none were compared.
        runs: number of runs of the search.
        diverged: number of diverged runs; None where nothing trains.
        unlearned: number of runs no better than without training; None where no stage trains.
        gap: score on train minus score on dev, over the tested runs.
    """

    curve: tuple[float, ...]
    plateau: Plateau | None
    runs: int
    diverged: int | None
    unlearned: int | None
    gap: float | None


def tuning(cell: ResultCell, within: float) -> Tuning | None:
    """Results of a finished search; None while it is unfinished or has no dev scores.

    Args:
        cell: the cell.
        within: tolerance below the best dev score, see `tolerance`.
    """
    if not cell.dev:
        return None
    runs = [run for trial in cell.search for run in trial]
    trains = any(run.costs.trained_params for run in runs)
    unlearned = sum(run.notes.not_learned is not None for run in runs)
    rates = _compared(cell)
    scores = [cell.dev[trial] for trial in rates.values()]
    return Tuning(
        curve=tuple(best_of(cell.dev)),
        plateau=plateau(list(rates), scores, within) if rates else None,
        runs=len(runs),
        diverged=sum(run.diverged for run in runs) if trains else None,
        unlearned=unlearned if runs[0].configuration.stages else None,
        gap=train_dev_difference(cell) if cell.runs else None,
    )


def tolerance(cells: Sequence[ResultCell]) -> float:
    """Tolerance below the best dev score within which a learning rate counts as good: one standard
    error of a difference between two rates, at least one point.

    It is pooled over all cells of a task and regime: each has few trials and seeds, and a high
    variance must not widen the plateau of an approach.
    """
    scores = []
    for cell in cells:
        trials = [cell.search[trial] for trial in _compared(cell).values()]
        finished = [trial for trial in trials if not any(run.diverged for run in trial)]
        if finished:
            scores.append(np.array([[run.score("dev") for run in trial] for trial in finished]))
    return max(POINT, noise(scores))


def _compared(cell: ResultCell) -> dict[float, int]:
    """The learning rates of a cell that can be compared, with the index of their trials."""
    if not cell.dev:
        return {}
    return _rates([trial[0].trial for trial in cell.search], int(np.argmax(cell.dev)))


def _rates(trials: Sequence[Mapping[str, Any]], best: int) -> dict[float, int]:
    """The learning rates tried with all other values as in the best trial, with the index of their
    trials; {} unless exactly one learning rate varies.
    """
    names = {name for trial in trials for name in trial if is_rate(name)}
    varied = [name for name in names if len({trial.get(name) for trial in trials}) > 1]
    if len(varied) != 1:
        return {}
    [name] = varied

    def rest(trial: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in trial.items() if key != name}

    alike = [i for i, trial in enumerate(trials) if rest(trial) == rest(trials[best])]
    rates = {trials[i][name]: i for i in alike if trials[i].get(name)}
    return rates if len(rates) > 1 else {}


def tuning_tables(grid: Grid) -> list[Table]:
    """A table for each task and regime with a finished search. The definitions are notes of the
    last table.
    """
    tables = []
    for column in grid.columns:
        cells = {row: cell for row in grid.rows if (cell := grid.cells.get((row, *column)))}
        within = tolerance(list(cells.values()))
        tunings = {row: result for row, cell in cells.items() if (result := tuning(cell, within))}
        if tunings:
            tables.append(_table(grid, column, tunings, within))
    return add_notes(tables, (*rates_note(_tried(grid)), *NOTES))


def _tried(grid: Grid) -> dict[str, tuple[float, ...]]:
    """The learning rates of each row, over all tasks and regimes with a finished search."""
    cells = {row: [cell for key, cell in grid.cells.items() if key[0] == row] for row in grid.rows}
    return {
        row: tried_rates(runs[0].trial for cell in of_row for runs in cell.search)
        for row, of_row in cells.items()
    }


def _table(
    grid: Grid, column: tuple[str, str], tunings: Mapping[str, Tuning], within: float
) -> Table:
    counts = _counts(max(len(result.curve) for result in tunings.values()))
    rows = [(row, _entries(result, counts)) for row, result in tunings.items()]
    task, regime = column
    return Table(
        title=f"{task}, {amount(regime)}: tuning",
        heads=(
            ("trials", ""),
            *(("best of", str(k)) for k in counts),
            ("plateau", "factors of ten"),
            ("plateau", "rates"),
            ("runs", "diverged"),
            ("runs", "not learned"),
            ("train-dev", "gap"),
        ),
        scores=len(counts) + 1,
        rows=tuple(row for row in rows if row[0] not in grid.baselines),
        baselines=tuple(row for row in rows if row[0] in grid.baselines),
        notes=_plateaus(tunings, within),
    )


def _counts(most: int) -> list[int]:
    """All numbers of trials, or powers of two and the largest where there are many."""
    if most <= 6:
        return list(range(1, most + 1))
    return [2**i for i in range((most - 1).bit_length())] + [most]


def _entries(result: Tuning, counts: Sequence[int]) -> tuple[TableCell, ...]:
    trials, flat = len(result.curve), result.plateau
    curve = [f"{100 * result.curve[k - 1]:.1f}" if k <= trials else MISSING for k in counts]
    wide, rates = MISSING, MISSING
    if flat:
        wide = f"{'≥ ' if flat.below or flat.above else ''}{flat.decades:.1f}"
        rates = f"{flat.inside} of {flat.tried}"
    texts = (
        str(trials),
        *curve,
        wide,
        rates,
        *(
            MISSING if failed is None else f"{failed} of {result.runs}"
            for failed in (result.diverged, result.unlearned)
        ),
        MISSING if result.gap is None else f"{100 * result.gap:+.1f}",
    )
    return tuple(map(TableCell, texts))


def _plateaus(tunings: Mapping[str, Tuning], within: float) -> tuple[str, ...]:
    """Notes on the tolerance, and on best rates at the end of the range."""
    plateaus = {row: result.plateau for row, result in tunings.items() if result.plateau}
    width = f"Tolerance of the plateau: {100 * within:.1f} points."
    ends = [f"{row} ({flat.best:g})" for row, flat in plateaus.items() if flat.at_end]
    end = f"The best rate is the lowest or highest tried: {', '.join(ends)}."
    return tuple(note for note, holds in ((width, plateaus), (end, ends)) if holds)
