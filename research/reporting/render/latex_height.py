"""Parts of a table that fit on a page, by estimated heights."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from research.reporting.render.latex_width import latex_width
from research.reporting.table import Table, TableRow

PAGE = 530.0  # pt; article on letter paper has 550
LINE = 8.0  # of \scriptsize
CAPTION_LINE, CAPTION_SPACE = 12.0, 20.0
RULES, NOTES_SPACE = 24.0, 10.0  # rules of booktabs; the space above notes
FILLED = 0.85  # share of a line that text fills before it breaks


class FontSizes(NamedTuple):
    """Sizes of the fonts in pt.

    Attributes:
        text: of cells and notes.
        caption: of the caption.
    """

    text: int
    caption: int


@dataclass(frozen=True)
class PageRoom:
    """Widths in pt that texts have.

    Attributes:
        table: width of the table, of its caption and its notes.
        name: width of a row's name.
        fold: width at which heads and cells take several lines.
        sizes: sizes of the fonts.
    """

    table: float
    name: float
    fold: float
    sizes: FontSizes

    def parts(self, table: Table) -> list[Table]:
        """The table in parts that fit on a page; the notes come last, on pages of their own if
        they do not fit below the last rows.
        """
        room = PAGE - self._caption_height(table.title) - self._heads_height(table.heads)
        rows = [(row, i >= len(table.rows)) for i, row in enumerate(table.rows + table.baselines)]
        heights = [self._row_height(row) for row, _ in rows]
        pages = _filled(heights, room)
        parts = [
            replace(
                table,
                rows=tuple(row for row, baseline in rows[first:last] if not baseline),
                baselines=tuple(row for row, baseline in rows[first:last] if baseline),
                notes=(),
            )
            for first, last in pages
        ]
        first, last = pages[-1]
        left = room - sum(heights[first:last]) - NOTES_SPACE
        note_heights = [self._lines(note, self.table) * LINE for note in table.notes]
        if sum(note_heights) <= left:
            parts[-1] = replace(parts[-1], notes=table.notes)
        else:
            empty = replace(table, heads=(), rows=(), baselines=(), scores=0)
            for first, last in _filled(note_heights, room):
                parts.append(replace(empty, notes=table.notes[first:last]))
        return [part if i == 0 else _continued(part) for i, part in enumerate(parts)]

    def _caption_height(self, title: str) -> float:
        width = latex_width(f"Table 10: {title} (continued)", self.sizes.caption)
        return CAPTION_SPACE + CAPTION_LINE * math.ceil(width / (FILLED * self.table))

    def _heads_height(self, heads: Sequence[tuple[str, str]]) -> float:
        lines = (max(self._lines(head[i], self.fold) for head in heads) for i in (0, 1))
        return RULES + LINE * sum(lines)

    def _row_height(self, row: TableRow) -> float:
        name, cells = row
        lines = [self._lines(cell.text, self.fold) for cell in cells]
        return LINE * max(self._lines(name, self.name), *lines)

    def _lines(self, text: str, width: float) -> int:
        natural = latex_width(text, self.sizes.text)
        return 1 if natural <= width else math.ceil(natural / (FILLED * width))


def _continued(table: Table) -> Table:
    title = table.title
    return replace(table, title=title if title.endswith("(continued)") else f"{title} (continued)")


def _filled(heights: Sequence[float], room: float) -> list[tuple[int, int]]:
    """(first, last + 1) of the items of each page, in order."""
    starts, used = [0], 0.0
    for index, height in enumerate(heights):
        if index > starts[-1] and used + height > room:
            starts.append(index)
            used = 0.0
        used += height
    return list(zip(starts, [*starts[1:], len(heights)], strict=True))
