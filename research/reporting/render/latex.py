"""A table as LaTeX that fits into a column or a page of a paper."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from research.common.errors import InputError
from research.reporting.render.latex_width import latex_width
from research.reporting.table import Table, TableCell, TableRow

FONT, FONT_SIZE = r"\scriptsize", 7  # in a document of 10 pt
TABCOLSEP = 3  # pt on either side of a column
NAME_WIDTHS = (120, 100, 80, 60)  # pt; longer names of rows take several lines

# LaTeX would read [ or * at the beginning of a row as an argument of the line break before it.
LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "±": r"$\pm$",
        "≥": r"$\geq$",
        "≤": r"$\leq$",
        "†": r"$\dagger$",
        "‡": r"$\ddagger$",
        "§": r"\S{}",
        "¶": r"\P{}",
        "—": "---",
        "–": "--",
        "[": "{[}",
        "*": "{*}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


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
    """One float for each block of columns that fits; they need the package booktabs.

    All text is escaped. The notes are below the last block.
    """
    blocks, name_width = _blocks(table, layout.width)
    name_column = "l" if name_width is None else f"p{{{name_width}pt}}"
    parts = []
    for block in table.split(blocks):
        parts += _float(block, layout, name_column)
    return "\n".join([r"% \usepackage{booktabs}", *parts, ""])


def _blocks(table: Table, width: float) -> tuple[list[list[int]], int | None]:
    """The fewest blocks of columns, and the greatest width of names with which they fit; None for
    names on one line.
    """
    names = [name for name, _ in (*table.rows, *table.baselines)]
    natural = max((latex_width(name, FONT_SIZE) for name in names), default=0.0)
    options: list[tuple[list[list[int]], int | None]] = []
    for name_width in (None, *(limit for limit in NAME_WIDTHS if limit < natural)):
        used = natural if name_width is None else name_width
        room = width - used - 2 * TABCOLSEP
        options.append((table.column_blocks(_width, 2 * TABCOLSEP, room), name_width))
    return min(options, key=lambda option: len(option[0]))


def _width(text: str, best: bool) -> float:
    return latex_width(text, FONT_SIZE, bold=best)


def _float(table: Table, layout: Layout, name_column: str) -> list[str]:
    ragged = name_column != "l"
    baselines = [r"\midrule", *_rows(table.baselines, ragged)] if table.baselines else []
    notes = [
        r"\par\medskip",
        r"\begin{minipage}{\linewidth}",
        r"\scriptsize",
        *(rf"{_escaped(note)}\par" for note in table.notes),
        r"\end{minipage}",
    ]
    return [
        rf"\begin{{{layout.environment}}}",
        r"\centering",
        rf"\caption{{{_escaped(table.title)}}}",
        FONT,
        rf"\setlength{{\tabcolsep}}{{{TABCOLSEP}pt}}",
        rf"\begin{{tabular}}{{@{{}}{name_column}{'r' * len(table.heads)}@{{}}}}",
        r"\toprule",
        *_heads(table.heads),
        r"\midrule",
        *_rows(table.rows, ragged),
        *baselines,
        r"\bottomrule",
        r"\end{tabular}",
        *(notes if table.notes else []),
        rf"\end{{{layout.environment}}}",
    ]


def _heads(heads: Sequence[tuple[str, str]]) -> list[str]:
    """Two lines: each first line of heading once above its columns, then the second lines."""
    above, rules, column = [""], [], 2
    for first, group in itertools.groupby(heads, key=lambda head: head[0]):
        count = len(list(group))
        above.append(rf"\multicolumn{{{count}}}{{c}}{{{_escaped(first)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + count - 1}}}")
        column += count
    below = ["approach", *(_escaped(second) for _, second in heads)]
    return [_row(above), " ".join(rules), _row(below)]


def _rows(rows: Iterable[TableRow], ragged: bool) -> list[str]:
    prefix = r"\raggedright " if ragged else ""
    return [_row([prefix + _escaped(name), *map(_text, cells)]) for name, cells in rows]


def _text(cell: TableCell) -> str:
    text = _escaped(cell.text)
    return rf"\textbf{{{text}}}" if cell.best else text


def _escaped(text: str) -> str:
    """Text that LaTeX shows unchanged, on one line."""
    return " ".join(text.split()).translate(LATEX)


def _row(texts: Iterable[str]) -> str:
    return " & ".join(texts) + r" \\"
