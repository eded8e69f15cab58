"""What each approach costs beside its score, and how it holds up: a table per task and regime.

A column appears where a run has a value for it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from research.reporting.format import MISSING, amount
from research.reporting.grid.grid import Grid, ResultCell
from research.reporting.grid.measures import (
    flops,
    forgetting,
    out_of_domain,
    peak_memory,
    seeds_agree,
    switching,
    train_dev_gap,
    words_agree,
    worst_group,
)
from research.reporting.table import Table, TableCell


@dataclass(frozen=True)
class Column:
    """head, unit: of the column. text: what stands in a cell's line, None if nothing is known.
    note: what a reader must know of it.
    """

    head: str
    unit: str
    text: Callable[[ResultCell], str | None]
    note: str = ""


def robustness_tables(grid: Grid) -> list[Table]:
    """A table for each task and regime with tested runs; what the columns mean is told once, at
    the end of the last.
    """
    shown = [column for column in grid.columns if any(grid.cell(row, column) for row in grid.rows)]
    layouts = [_table(grid, *column) for column in shown]
    told = [column for column in COLUMNS if any(map(column.text, grid.tested()))]
    notes = tuple(column.note for column in told if column.note)
    last = [replace(layout, notes=(*layout.notes, *notes)) for layout in layouts[-1:]]
    return [*layouts[:-1], *last]


def _table(grid: Grid, task: str, regime: str) -> Table:
    found = {row: grid.cell(row, (task, regime)) for row in grid.rows}
    cells = {row: cell for row, cell in found.items() if cell is not None}
    texts = [[column.text(cell) for cell in cells.values()] for column in COLUMNS]
    kept = [place for place, column in enumerate(texts) if any(column)]
    rows = [
        (row, tuple(TableCell(texts[column][place] or MISSING) for column in kept))
        for place, row in enumerate(cells)
    ]
    return Table(
        title=f"{task}, {amount(regime)}: what each costs and how it holds up",
        heads=tuple((COLUMNS[column].head, COLUMNS[column].unit) for column in kept),
        scores=0,
        rows=tuple(row for row in rows if row[0] not in grid.baselines),
        baselines=tuple(row for row in rows if row[0] in grid.baselines),
        notes=(*_plain_text(cells.values()), *_cut(cells)),
    )


COLUMNS = (
    Column(
        "out of",
        "domain",
        out_of_domain,
        "Out of domain: the score on the test split of another domain, and its difference from "
        "that on test, in percent and points.",
    ),
    Column(
        "worst",
        "group",
        worst_group,
        "Worst group: the lowest share of right answers in percent, by label, by length (thirds of "
        "the test items) and by the task's groups, among groups of 10 items or more; means over "
        "the seeds. The worst of many small groups is low by chance alone.",
    ),
    Column(
        "train-dev",
        "gap",
        train_dev_gap,
        "Train-dev gap: the score on as many training as dev examples less that on dev, in points.",
    ),
    Column(
        "seeds",
        "agree",
        seeds_agree,
        "Seeds agree: the share of test items with the same prediction, over all pairs of seeds, "
        "in percent.",
    ),
    Column(
        "other words",
        "agree",
        words_agree,
        "Other words agree: the share of test items with the same prediction when paraphrased.",
    ),
    Column(
        "held-out",
        "loss",
        forgetting,
        "Held-out loss: by how many nats a token the loss on held-out text of the backbone's own "
        "kind has risen, with all that the approach adds at work; (stays): the backbone itself is "
        "changed, otherwise the loss returns to what it was when the adapter is taken away.",
    ),
    Column(
        "switching",
        "milliseconds",
        switching,
        "Switching: from what the task stores in the host's memory to all of it on the devices.",
    ),
    Column(
        "peak",
        "memory",
        peak_memory,
        "Peak memory: what the compiled step of one training run needs at once, the backbone with "
        "it. FLOPs: of all training steps, as if every batch were as wide as the widest.",
    ),
    Column("training", "FLOPs", flops),
)


def _plain_text(cells: Iterable[ResultCell]) -> list[str]:
    """Whether the task's text is foreign to the backbone, or why this cannot be said."""
    measured = [loss for cell in cells for loss in cell.known(lambda run: run.forgetting)]
    notes = [
        f"Is the text foreign? The loss of the frozen backbone is {loss.task:.2f} nats a "
        f"token on the task's texts and {loss.as_long:.2f} on held-out text of its own kind, "
        "in passages as long."
        for loss in measured
        if loss.task is not None
    ]
    notes += [f"No held-out loss: {loss.undefined}." for loss in measured if loss.undefined]
    return notes[:1]


def _cut(cells: Mapping[str, ResultCell]) -> list[str]:
    """How many texts beside those of test did not fit, by row."""
    found = {}
    for row, cell in cells.items():
        counts = [sum(run.notes.cut_beside_test.values()) for run in cell.runs]
        if any(counts):
            found[row] = max(counts)
    told = "; ".join(f"{row} {most}" for row, most in found.items())
    return [f"Texts out of domain or in other words, cut to fit: {told}."] if told else []
