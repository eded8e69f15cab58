"""A table as LaTeX that fits into a column or a page of a paper."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from research.common.errors import InputError
from research.reporting.render.latex_characters import OTHERCHAR
from research.reporting.render.latex_height import FontSizes, PageRoom
from research.reporting.render.latex_text import latex_text
from research.reporting.render.latex_width import latex_width
from research.reporting.table import Table, TableCell

FONT, SIZES = r"\scriptsize", FontSizes(text=7, caption=10)  # in a document of 10 pt
TABCOLSEP = 3  # pt on either side of a column
NAME_WIDTHS = (120, 100, 80, 60)  # pt; longer names of rows take several lines
FOLD = 0.6  # of the table's width; longer heads and cells take several lines


@dataclass(frozen=True)
class Layout:
    """Where a table stands in a paper.

    Attributes:
        environment: the environment of the float.
        width: width of the table in pt.
    """

    environment: str
    width: float


# A column of a two-column paper is at least 219 pt wide (ACL); the text of a one-column article
# is 345 pt wide, and that of two-column papers is wider.
LAYOUTS = {1: Layout("table", 219), 2: Layout("table*", 345)}
DEFAULT_LAYOUT = 2


def latex_layout(columns: int) -> Layout:
    """The layout for this number of columns of a two-column paper; InputError if none."""
    if columns not in LAYOUTS:
        raise InputError("latex_columns", columns, "1 or 2 is expected")
    return LAYOUTS[columns]


def to_latex(table: Table, layout: Layout = LAYOUTS[DEFAULT_LAYOUT]) -> str:
    """One float for each block of columns that fits, or several where its rows or notes do not fit
    on a page; they need the package booktabs.

    All text is escaped. The notes are below the last block.
    """
    fold = FOLD * layout.width
    blocks, name_width = _blocks(table, layout.width, fold)
    page = PageRoom(layout.width, name_width or layout.width, fold, SIZES)
    parts = [part for block in table.split(blocks) for part in page.parts(block)]
    text = "\n".join(line for part in parts for line in _float(part, layout, page))
    definitions = [OTHERCHAR] if r"\otherchar" in text else []
    return "\n".join([r"% \usepackage{booktabs}", *definitions, text, ""])


def _blocks(table: Table, table_width: float, fold: float) -> tuple[list[list[int]], int | None]:
    """The fewest blocks of columns, and the greatest width of names with which they fit; None for
    names on one line.
    """

    def width(text: str, best: bool) -> float:
        return min(fold, latex_width(text, SIZES.text, bold=best))

    gap = 2 * TABCOLSEP
    names = [name for name, _ in (*table.rows, *table.baselines)]
    natural = max((latex_width(name, SIZES.text) for name in names), default=0.0)
    widest = max(table.column_widths(width, gap))
    options: list[tuple[bool, list[list[int]], int | None]] = []
    for name_width in (None, *(limit for limit in NAME_WIDTHS if limit < natural)):
        room = table_width - (natural if name_width is None else name_width) - gap
        options.append((widest > room, table.column_blocks(width, gap, room), name_width))
    _, blocks, name_width = min(options, key=lambda option: (option[0], len(option[1])))
    return blocks, name_width


def _float(table: Table, layout: Layout, page: PageRoom) -> list[str]:
    notes = [
        r"\par\medskip",
        r"\begin{minipage}{\linewidth}",
        r"\scriptsize",
        *(rf"{_text(note, page.table / 2)}\par" for note in table.notes),
        r"\end{minipage}",
    ]
    return [
        rf"\begin{{{layout.environment}}}",
        r"\centering",
        rf"\caption{{{latex_text(table.title, SIZES.caption, page.table / 2)}}}",
        *(_tabular(table, page) if table.heads else []),
        *(notes if table.notes else []),
        rf"\end{{{layout.environment}}}",
    ]


def _tabular(table: Table, page: PageRoom) -> list[str]:
    folded = page.name < page.table
    name_column = f"p{{{page.name:g}pt}}" if folded else "l"
    prefix = r"\raggedright " if folded else ""

    def row(name: str, cells: Sequence[TableCell]) -> str:
        return _row([prefix + _text(name, page.name), *(_cell(cell, page) for cell in cells)])

    rows, baselines = ([row(*r) for r in rows] for rows in (table.rows, table.baselines))
    return [
        FONT,
        rf"\setlength{{\tabcolsep}}{{{TABCOLSEP}pt}}",
        rf"\begin{{tabular}}{{@{{}}{name_column}{'r' * len(table.heads)}@{{}}}}",
        r"\toprule",
        *_heads(table.heads, page),
        r"\midrule",
        *rows,
        *([r"\midrule"] if rows and baselines else []),
        *baselines,
        r"\bottomrule",
        r"\end{tabular}",
    ]


def _heads(heads: Sequence[tuple[str, str]], page: PageRoom) -> list[str]:
    """Two lines: each first line of heading once above its columns, then the second lines."""
    above, rules, column = [""], [], 2
    for first, group in itertools.groupby(heads, key=lambda head: head[0]):
        count = len(list(group))
        text = _folded(first, page, r"\centering")
        above.append(rf"\multicolumn{{{count}}}{{c}}{{{text}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + count - 1}}}")
        column += count
    below = ["approach", *(_folded(second, page) for _, second in heads)]
    return [_row(above), " ".join(rules), _row(below)]


def _cell(cell: TableCell, page: PageRoom) -> str:
    text = _folded(cell.text, page, bold=cell.best)
    return rf"\textbf{{{text}}}" if cell.best else text


def _folded(text: str, page: PageRoom, alignment: str = r"\raggedleft", bold: bool = False) -> str:
    """The text of a head or a cell, in several lines if it is too wide."""
    escaped = _text(text, page.fold)
    if latex_width(text, SIZES.text, bold=bold) <= page.fold:
        return escaped
    return rf"\parbox[t]{{{page.fold:g}pt}}{{{alignment} {escaped}}}"


def _text(text: str, room: float) -> str:
    return latex_text(text, SIZES.text, room)


def _row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"
