"""A table as plain data, before it is Markdown, LaTeX, HTML or terminal output."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TableCell:
    """One cell of a table.

    Attributes:
        text: What is printed.
        best: Whether the cell is highlighted as one of the best of its column.
    """

    text: str
    best: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its title and footnotes.

    Attributes:
        title: The caption.
        heads: Two lines of heading for each column.
        scores: Number of leading columns that hold scores; the others hold costs.
        rows: (name, one cell per column) of each row.
        baselines: Rows of baselines, printed below the others.
        notes: Footnotes.
    """

    title: str
    heads: tuple[tuple[str, str], ...]
    scores: int
    rows: tuple[tuple[str, tuple[TableCell, ...]], ...]
    baselines: tuple[tuple[str, tuple[TableCell, ...]], ...]
    notes: tuple[str, ...]
