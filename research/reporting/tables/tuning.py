"""Tuning tables: expected results of fewer trials, plateaus of learning rates and failed runs.

One table per task and regime. Numbers come from the search on dev, in which all trials of a cell
have the same seeds; the train-dev gap is that of the tested runs.
"""

from collections.abc import Mapping, Sequence

from research.reporting.format import MISSING, amount, rates_note, tried_rates
from research.reporting.grid.grid import Grid
from research.reporting.grid.tuning import Tuning, tolerance, tuning
from research.reporting.table import Table, TableCell, add_notes

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
