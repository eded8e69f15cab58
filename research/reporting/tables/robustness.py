"""Robustness tables: costs and robustness of each approach, by task and regime.

A column appears where a run has a value for it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from research.reporting.format import MISSING, amount
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
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
    """A column of a table.

    Attributes:
        head: first line of its head.
        unit: second line of its head.
        text: the text for a cell; None where nothing is known.
        note: its footnote.
    """

    head: str
    unit: str
    text: Callable[[ResultCell], str | None]
    note: str = ""


def robustness_tables(grid: Grid) -> list[Table]:
    """A table for each task and regime with tested runs. The definitions are notes of the last."""
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
        title=f"{task}, {amount(regime)}: robustness and costs",
        heads=tuple((COLUMNS[column].head, COLUMNS[column].unit) for column in kept),
        scores=0,
        rows=tuple(row for row in rows if row[0] not in grid.baselines),
        baselines=tuple(row for row in rows if row[0] in grid.baselines),
        notes=(*_plain_text(cells.values()), *_truncated(cells)),
    )


COLUMNS = (
    Column(
        "out of",
        "domain",
        out_of_domain,
        "Out of domain: score on the test split of another domain in percent, and its difference "
        "from the test score in points.",
    ),
    Column(
        "worst",
        "group",
        worst_group,
        "Worst group: lowest accuracy in percent among groups of 10 or more test items, by label, "
        "by length (thirds of the test items) and by the task's groups; mean over seeds. The worst "
        "of many small groups is low by chance alone.",
    ),
    Column(
        "train-dev",
        "gap",
        train_dev_gap,
        "Train-dev gap: score on as many training as dev examples minus the dev score, in points.",
    ),
    Column(
        "agreement",
        "of seeds",
        seeds_agree,
        "Agreement of seeds: share of test items with the same prediction, over all pairs of "
        "seeds, in percent.",
    ),
    Column(
        "agreement",
        "of paraphrases",
        words_agree,
        "Agreement of paraphrases: share of test items with the same prediction when paraphrased.",
    ),
    Column(
        "held-out",
        "loss",
        forgetting,
        "Held-out loss: increase, in nats per token, of the loss on held-out text like the "
        "backbone's pretraining data, with the adapter active. (permanent): the backbone itself "
        "was changed; otherwise removing the adapter restores the loss.",
    ),
    Column(
        "switching",
        "milliseconds",
        switching,
        "Switching: time to move the task's stored parameters from host memory to the devices.",
    ),
    Column(
        "peak",
        "memory",
        peak_memory,
        "Peak memory: of the compiled training step of one run, including the backbone. FLOPs: of "
        "all training steps, as if every batch were as wide as the widest.",
    ),
    Column("training", "FLOPs", flops),
)


def _plain_text(cells: Iterable[ResultCell]) -> list[str]:
    """How well the backbone predicts the task's text, or why this is undefined."""
    measured = [loss for cell in cells for loss in cell.known(lambda run: run.forgetting)]
    notes = [
        f"Domain of the text: the loss of the unadapted backbone is {loss.task:.2f} nats per "
        f"token on the task's inputs, and {loss.as_long:.2f} on held-out text like its pretraining "
        "data, in passages of the same length."
        for loss in measured
        if loss.task is not None
    ]
    notes += [f"No held-out loss: {loss.undefined}." for loss in measured if loss.undefined]
    return notes[:1]


def _truncated(cells: Mapping[str, ResultCell]) -> list[str]:
    """How many texts of further test splits were truncated, by row."""
    most = {
        row: max(sum(run.notes.cut_beside_test.values()) for run in cell.runs)
        for row, cell in cells.items()
    }
    counts = "; ".join(f"{row} {count}" for row, count in most.items() if count)
    return [f"Out-of-domain texts or paraphrases truncated to fit: {counts}."] if counts else []
