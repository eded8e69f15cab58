"""A table as plain data, before it is Markdown, LaTeX, HTML or terminal output."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from research.common.printable import printable


@dataclass(frozen=True)
class TableCell:
    """One cell of a table.

    Attributes:
        text: its text; control characters are escaped.
        best: whether the cell is highlighted as one of the best of its column.
    """

    text: str
    best: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", printable(self.text))


TableRow = tuple[str, tuple[TableCell, ...]]  # name, one cell per column


@dataclass(frozen=True)
class Table:
    """A table with its title and footnotes. Control characters in texts are escaped.

    Attributes:
        title: the caption.
        heads: two lines of heading for each column.
        scores: number of leading columns that hold scores; the others hold costs.
        rows: the rows.
        baselines: rows of baselines, printed below the others.
        notes: footnotes.
    """

    title: str
    heads: tuple[tuple[str, str], ...]
    scores: int
    rows: tuple[TableRow, ...]
    baselines: tuple[TableRow, ...]
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        escaped = {
            "title": printable(self.title),
            "heads": tuple((printable(first), printable(second)) for first, second in self.heads),
            "rows": tuple((printable(name), cells) for name, cells in self.rows),
            "baselines": tuple((printable(name), cells) for name, cells in self.baselines),
            "notes": tuple(map(printable, self.notes)),
        }
        for name, value in escaped.items():
            object.__setattr__(self, name, value)

    def column_widths(self, width: Callable[[str, bool], float], gap: float) -> list[float]:
        """The width of each column with the gap beside it, see `column_blocks`."""
        return [
            gap
            + max(
                *(width(line, False) for line in head),
                *(width(cells[i].text, cells[i].best) for _, cells in self.rows),
                *(width(cells[i].text, cells[i].best) for _, cells in self.baselines),
            )
            for i, head in enumerate(self.heads)
        ]

    def column_blocks(
        self, width: Callable[[str, bool], float], gap: float, room: float
    ) -> list[list[int]]:
        """Columns in blocks that fit side by side; costs begin a block unless all columns fit.

        A column that is wider than the room is a block of its own.

        Args:
            width: width of a text, and whether it is highlighted.
            gap: distance of two columns.
            room: width for all columns of a block, without the names of the rows.
        """
        widths = self.column_widths(width, gap)
        if sum(widths) <= room:
            return [list(range(len(widths)))]
        blocks: list[list[int]] = [[]]
        for i, needed in enumerate(widths):
            used = sum(widths[k] for k in blocks[-1])
            if blocks[-1] and (i == self.scores or used + needed > room):
                blocks.append([])
            blocks[-1].append(i)
        return blocks

    def split(self, blocks: Sequence[Sequence[int]]) -> list["Table"]:
        """A table for each block of columns; the notes are those of the last."""
        last = len(blocks) - 1
        return [
            replace(
                self.select(columns),
                title=f"{self.title} (continued)" if index else self.title,
                notes=self.notes if index == last else (),
            )
            for index, columns in enumerate(blocks)
        ]

    def select(self, columns: Sequence[int]) -> "Table":
        """The table with these columns only."""

        def chosen(rows: tuple[TableRow, ...]) -> tuple[TableRow, ...]:
            return tuple((name, tuple(cells[i] for i in columns)) for name, cells in rows)

        return replace(
            self,
            heads=tuple(self.heads[i] for i in columns),
            scores=sum(i < self.scores for i in columns),
            rows=chosen(self.rows),
            baselines=chosen(self.baselines),
        )


def add_notes(tables: Sequence[Table], notes: Sequence[str]) -> list[Table]:
    """The tables, with notes on all of them below the last."""
    last = [replace(table, notes=(*table.notes, *notes)) for table in tables[-1:]]
    return [*tables[:-1], *last]
