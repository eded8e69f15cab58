"""The score table: scores by task and regime, then the costs of each row."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from research.records.schema import CellKey
from research.reporting.format import (
    MISSING,
    RANGE,
    amount,
    byte_size,
    count,
    middle,
    percent,
    seconds,
    spread,
)
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.table import Table, TableCell
from research.reporting.tables.footnotes import ONE_SEED, PROVISIONAL, TESTED_AGAIN, footnotes
from research.reporting.tables.format_share import HEAD, format_share, has_format
from research.reporting.tables.problems import NOT_FINITE

FAILED, REFUSED = "failed", "refused"  # of a cell without a score: a run failed, or none can run


def score_table(grid: Grid) -> Table:
    """The score table of a grid."""
    backbones = ", ".join(grid.backbones) or (_short(grid.backbone) if grid.backbone else "")
    backbone = f" with {backbones}" if backbones else ""
    rows = [(row, (_name(grid, row), _entries(grid, row))) for row in grid.rows]
    return Table(
        title=f"{grid.name}: test scores{backbone}",
        heads=(
            *((task, amount(regime)) for task, regime in grid.columns),
            *([HEAD] if has_format(grid) else ()),
            *((cost.head, cost.unit) for cost in COSTS),
        ),
        scores=len(grid.columns),
        rows=tuple(texts for row, texts in rows if row not in grid.baselines),
        baselines=tuple(texts for row, texts in rows if row in grid.baselines),
        notes=tuple(footnotes(grid)),
    )


@dataclass(frozen=True)
class CostColumn:
    """A column of costs.

    Attributes:
        head: first line of its head.
        unit: second line of its head.
        name: field of `Costs`.
        text: formats a number.
        summary: summarises the cells of a row.
    """

    head: str
    unit: str
    name: str
    text: Callable[[float], str]
    summary: Callable[[Sequence[float]], list[float]] = spread


COSTS = (
    CostColumn("trained", "parameters", "trained_params", count),
    CostColumn("stored", "per task", "stored_bytes", byte_size),
    CostColumn("training", "seconds", "train_seconds", seconds, middle),
    CostColumn("added", "tokens", "added_tokens", count),
)


def _entries(grid: Grid, row: str) -> tuple[TableCell, ...]:
    cells = [grid.cell(row, column) for column in grid.columns]
    missing = [_missing(grid, (row, *column)) for column in grid.columns]
    scores = [
        TableCell(text) if cell is None else _score(grid, cell)
        for cell, text in zip(cells, missing, strict=True)
    ]
    shares = [format_share(grid, row)] if has_format(grid) else []
    return (*scores, *shares, *(_cost(grid.tested_of(row), cost) for cost in COSTS))


def _missing(grid: Grid, key: CellKey) -> str:
    """The text of a cell without a score."""
    failure = grid.failures.get(key)
    if failure is None:
        return MISSING
    return REFUSED if failure.refused else FAILED


def _score(grid: Grid, cell: ResultCell) -> TableCell:
    marks = (PROVISIONAL if cell.provisional else "") + (ONE_SEED if len(cell.runs) == 1 else "")
    marks += TESTED_AGAIN if grid.test_accesses.get(cell.key, (1, 1))[0] > 1 else ""
    marks += NOT_FINITE if cell.not_finite else ""
    text = percent(cell.score())
    return TableCell(f"{text} {marks}".rstrip(), cell.key in grid.best)


def _cost(cells: Sequence[ResultCell], cost: CostColumn) -> TableCell:
    values = [value for cell in cells if (value := cell.cost(cost.name)) is not None]
    if not values:
        return TableCell(MISSING)
    return TableCell(RANGE.join(dict.fromkeys(map(cost.text, cost.summary(values)))))


def _name(grid: Grid, row: str) -> str:
    """The row's name, with the number of demonstrations if any are asked for, 0 too."""
    runs = [run for cell in grid.tested_of(row) for run in cell.runs]
    counts = [run.notes.demonstrations for run in runs]
    if not any(counts) and not any(r.configuration.approach.get("demonstrations") for r in runs):
        return row
    return f"{row} ({RANGE.join(map(str, spread(counts)))} demonstrations)"


def _short(backbone: str) -> str:
    """A hub id unchanged; a folder by its name."""
    return Path(backbone).name if Path(backbone).is_absolute() else backbone
