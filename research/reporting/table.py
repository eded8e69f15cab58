"""TODO reporting/table.py"""

from dataclasses import dataclass


@dataclass(frozen=True)
class TableCell:
    """The text of one cell, and whether it is among the best."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """heads: two lines for each column; the first `scores` are tasks and regimes, the rest costs.
    rows: a name and an entry per head. baselines: rows apart, below.
    """

    title: str
    heads: tuple[tuple[str, str], ...]
    scores: int
    rows: tuple[tuple[str, tuple[TableCell, ...]], ...]
    baselines: tuple[tuple[str, tuple[TableCell, ...]], ...]
    notes: tuple[str, ...]
