"""How each approach was tuned: what fewer trials would have found, and what came of all of them.

A table per task and regime. Its numbers come from the search on dev alone, all trials of a cell
with the same seeds, but for the train-dev gap, which is of the tested runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from research.reporting.format import MISSING, amount
from research.reporting.grid.grid import Grid, ResultCell
from research.reporting.grid.measures import train_dev_difference
from research.reporting.table import Table, TableCell
from research.stats.search_curves import POINT, Plateau, best_of, noise, plateau

RATE = "learning_rate"
NOTES = (
    "Plateau: the learning rates around the best whose mean dev score is as near to its as each "
    "table says, within a point or, where that is more, one standard error of a difference between "
    "two rates (over the seeds of the search, all rows of the table together). Straight lines "
    "between rates; ≥: it reaches the least or the greatest rate tried.",
    "Best of k: the expected best dev score, in percent, of k of the trials at random, each drawn "
    "once (Dodge et al. 2019, by the unbiased estimator of Tang et al. 2020); that of all trials "
    "is optimistic, for it was chosen. A trial with a diverged run counts as the least score.",
    "Diverged, not learned: of the runs of the search, which has the same seeds for every trial; "
    "not learned: no better on dev than without training.",
    "Train-dev gap: of the tested runs, the score on as many training as dev examples less that on "
    "dev, in points.",
)


@dataclass(frozen=True)
class Tuning:
    """What the search of a cell came to. curve: the expected best dev score of 1, 2, ... and of all
    trials. plateau: of learning rates, None where none were compared. runs: of the search; of
    these, how many diverged, None where nothing trains, and how many learned nothing, None where
    the records do not say. gap: the score on train less that on dev, over the tested runs.
    """

    curve: tuple[float, ...]
    plateau: Plateau | None
    runs: int
    diverged: int | None
    unlearned: int | None
    gap: float | None


def tuning(cell: ResultCell, within: float) -> Tuning | None:
    """None while the search is unfinished or where it has no dev scores. within: as `tolerance` has
    it, so far below the best a rate may be that does as well.
    """
    if not cell.dev:
        return None
    runs = [run for trial in cell.search for run in trial]
    trains = any(run.costs.trained_params for run in runs)
    unlearned = sum(run.notes.not_learned is not None for run in runs)
    rates = _compared(cell)
    scores = [cell.dev[place] for place in rates.values()]
    return Tuning(
        curve=tuple(best_of(cell.dev)),
        plateau=plateau(list(rates), scores, within) if rates else None,
        runs=len(runs),
        diverged=sum(run.diverged for run in runs) if trains else None,
        unlearned=unlearned if runs[0].configuration.stages else None,
        gap=train_dev_difference(cell) if cell.runs else None,
    )


def tolerance(cells: Sequence[ResultCell]) -> float:
    """How far below the best dev score a learning rate may be and still count as good: one standard
    error of a difference of two rates, a point at least.

    It is that of all cells of a task and regime together, for each of them has few trials and
    seeds, and a noisy approach must not get a wide plateau for its noise.
    """
    tables = []
    for cell in cells:
        tried = [cell.search[place] for place in _compared(cell).values()]
        sound = [trial for trial in tried if not any(run.diverged for run in trial)]
        if sound:
            dev = [[run.score("dev") for run in trial] for trial in sound]
            tables.append(np.array(dev))
    return max(POINT, noise(tables))


def _compared(cell: ResultCell) -> dict[float, int]:
    """The learning rates of a cell that can be compared, and the places of their trials."""
    if not cell.dev:
        return {}
    return _rates([trial[0].trial for trial in cell.search], int(np.argmax(cell.dev)))


def _rates(trials: Sequence[Mapping[str, Any]], best: int) -> dict[float, int]:
    """The learning rates that were tried with all else as in the best trial, and the places of
    their trials; {} where no rate varies, or several do, or only other things beside it.
    """
    names = {name for trial in trials for name in trial if name.rpartition(".")[2] == RATE}
    varied = [name for name in names if len({trial.get(name) for trial in trials}) > 1]
    if len(varied) != 1:
        return {}
    [name] = varied

    def rest(trial: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in trial.items() if key != name}

    alike = [i for i, trial in enumerate(trials) if rest(trial) == rest(trials[best])]
    found = {trials[i][name]: i for i in alike if trials[i].get(name)}
    return found if len(found) > 1 else {}


def tuning_tables(grid: Grid) -> list[Table]:
    """A table for each task and regime with a finished search; what the columns mean is told once,
    at the end of the last.
    """
    layouts = []
    for column in grid.columns:
        cells = {row: cell for row in grid.rows if (cell := grid.cells.get((row, *column)))}
        within = tolerance(list(cells.values()))
        found = {row: one for row, cell in cells.items() if (one := tuning(cell, within))}
        if found:
            layouts.append(_table(grid, column, found, within))
    last = [replace(layout, notes=(*layout.notes, *NOTES)) for layout in layouts[-1:]]
    return [*layouts[:-1], *last]


def _table(
    grid: Grid, column: tuple[str, str], found: Mapping[str, Tuning], within: float
) -> Table:
    counts = _counts(max(len(one.curve) for one in found.values()))
    rows = [(row, _entries(one, counts)) for row, one in found.items()]
    task, regime = column
    return Table(
        title=f"{task}, {amount(regime)}: how each was tuned",
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
        notes=_plateaus(found, within),
    )


def _counts(most: int) -> list[int]:
    """All numbers of trials, or powers of two and the greatest where there are many."""
    if most <= 6:
        return list(range(1, most + 1))
    return [2**i for i in range((most - 1).bit_length())] + [most]


def _entries(one: Tuning, counts: Sequence[int]) -> tuple[TableCell, ...]:
    trials, flat = len(one.curve), one.plateau
    curve = [f"{100 * one.curve[k - 1]:.1f}" if k <= trials else MISSING for k in counts]
    wide, rates = MISSING, MISSING
    if flat:
        wide = f"{'≥ ' if flat.below or flat.above else ''}{flat.decades:.1f}"
        rates = f"{flat.inside} of {flat.tried}"
    texts = (
        str(trials),
        *curve,
        wide,
        rates,
        *(MISSING if n is None else f"{n} of {one.runs}" for n in (one.diverged, one.unlearned)),
        MISSING if one.gap is None else f"{100 * one.gap:+.1f}",
    )
    return tuple(map(TableCell, texts))


def _plateaus(found: Mapping[str, Tuning], within: float) -> tuple[str, ...]:
    """How near the best a plateau is, and where the best rate is the last that was tried."""
    known = {row: one.plateau for row, one in found.items() if one.plateau}
    near = f"Plateau: within {100 * within:.1f} points of the best rate."
    ends = [f"{row} ({flat.best:g})" for row, flat in known.items() if flat.at_end]
    last = f"The best rate is the least or the greatest tried: {', '.join(ends)}."
    return tuple(note for note, holds in ((near, known), (last, ends)) if holds)
