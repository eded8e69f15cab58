"""From the grid of cells to the texts of a table, whatever it is written as."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from research.reporting.cells import Cell, Grid
from research.reporting.footnotes import ONE_SEED, PROVISIONAL, SEEN, footnotes
from research.reporting.statistics import Interval

MISSING, RANGE = "—", "–"


@dataclass(frozen=True)
class Entry:
    """The text of one cell, and whether it is among the best."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Layout:
    """heads: two lines for each column; the first `scores` are tasks and regimes, the rest costs.
    rows: a name and an entry per head. baselines: rows apart, below.
    """

    title: str
    heads: tuple[tuple[str, str], ...]
    scores: int
    rows: tuple[tuple[str, tuple[Entry, ...]], ...]
    baselines: tuple[tuple[str, tuple[Entry, ...]], ...]
    notes: tuple[str, ...]


def lay_out(grid: Grid) -> Layout:
    """The table of a grid: scores of each task and regime, then the costs of each row."""
    backbone = f" with {_short(grid.backbone)}" if grid.backbone else ""
    rows = [(row, (_name(grid, row), _entries(grid, row))) for row in grid.rows]
    return Layout(
        title=f"{grid.name}: test scores{backbone}",
        heads=(
            *((task, amount(regime)) for task, regime in grid.columns),
            *((cost.head, cost.unit) for cost in COSTS),
        ),
        scores=len(grid.columns),
        rows=tuple(texts for row, texts in rows if row not in grid.baselines),
        baselines=tuple(texts for row, texts in rows if row in grid.baselines),
        notes=tuple(footnotes(grid)),
    )


def percent(score: Interval) -> str:
    """`98.0 [95.1, 99.2]`: the score and its interval."""
    return f"{100 * score.score:.1f} [{100 * score.low:.1f}, {100 * score.high:.1f}]"


def count(number: float) -> str:
    """`512`, `12.3 k`, `1.5 M`, `7.0 G`, to `E`: a number with its thousands as a prefix."""
    for prefix, decimals in (("", 0), (" k", 1), (" M", 1), (" G", 1), (" T", 1), (" P", 1)):
        if round(number, decimals) < 1000:
            return f"{number:.{decimals}f}{prefix}"
        number /= 1000
    return f"{number:.1f} E"


def size(number: float) -> str:
    """Bytes in decimal units: `512 B`, `12.3 kB`."""
    text = count(number)
    return f"{text}B" if " " in text else f"{text} B"


def seconds(number: float) -> str:
    """`0.42`, `7.3`, `125`: two digits, and whole seconds from 10 on."""
    decimals = 2 if number < 1 else 1 if number < 10 else 0
    return f"{number:.{decimals}f}"


def spread(values: Sequence[float]) -> list[float]:
    """The one value, or the least and the greatest."""
    return sorted({min(values), max(values)})


def middle(values: Sequence[float]) -> list[float]:
    """The median alone: seconds always differ."""
    return [statistics.median(values)]


@dataclass(frozen=True)
class Cost:
    """head, unit: of the column. name: in the record's costs. text: how a number reads. summary:
    what stands for the cells of a row.
    """

    head: str
    unit: str
    name: str
    text: Callable[[float], str]
    summary: Callable[[Sequence[float]], list[float]] = spread


COSTS = (
    Cost("trained", "parameters", "trained_params", count),
    Cost("stored", "per task", "stored_bytes", size),
    Cost("training", "seconds", "train_seconds", seconds, middle),
    Cost("added", "tokens", "added_tokens", count),
)


def _entries(grid: Grid, row: str) -> tuple[Entry, ...]:
    found = [grid.cell(row, column) for column in grid.columns]
    scores = [Entry(MISSING) if cell is None else _score(grid, cell) for cell in found]
    tested = [cell for cell in found if cell is not None]
    return (*scores, *(_cost(tested, cost) for cost in COSTS))


def _score(grid: Grid, cell: Cell) -> Entry:
    marks = (PROVISIONAL if cell.provisional else "") + (ONE_SEED if len(cell.runs) == 1 else "")
    marks += SEEN if grid.seen.get(cell.key, (1, 1))[0] > 1 else ""
    text = percent(cell.score(cell.headline))
    return Entry(f"{text} {marks}".rstrip(), cell.key in grid.best)


def _cost(cells: Sequence[Cell], cost: Cost) -> Entry:
    values = [value for cell in cells if (value := cell.cost(cost.name)) is not None]
    if not values:
        return Entry(MISSING)
    return Entry(RANGE.join(dict.fromkeys(map(cost.text, cost.summary(values)))))


def _name(grid: Grid, row: str) -> str:
    """The row's name; a prompt with demonstrations says how many."""
    tested = [cell for column in grid.columns if (cell := grid.cell(row, column))]
    shown = [number for cell in tested for number in cell.numbers("notes", "demonstrations")]
    if not any(shown):
        return row
    return f"{row} ({RANGE.join(map(str, spread(shown)))} demonstrations)"


def amount(regime: str) -> str:
    """A number of examples says so; `16-shot` does already."""
    return f"{regime} examples" if regime.isdecimal() else regime


def _short(backbone: str) -> str:
    """A hub id as it is, a folder by its last part."""
    return Path(backbone).name if Path(backbone).is_absolute() else backbone
