"""A table as Markdown and as LaTeX."""

import itertools
import re
from collections.abc import Iterable, Sequence

from research.reporting.table import Table, TableCell

APART = "without the model"

# A row that begins with [ or * would be read as an argument of the line break before it.
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
        "—": "---",
        "–": "--",
        "[": "{[}",
        "*": "{*}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)


def to_markdown(layout: Table, level: int = 1) -> str:
    """A pipe table below a heading; the baselines stand below a row of their own."""
    width = len(layout.heads)
    lines = [
        f"{'#' * level} {_plain(layout.title)}",
        "",
        _piped(["approach", *(_plain(" ".join(head)) for head in layout.heads)]),
        _piped([":---", *["---:"] * width]),
        *(_piped(_marked(*row)) for row in layout.rows),
    ]
    if layout.baselines:
        lines.append(_piped([f"*{APART}*", *[""] * width]))
        lines += [_piped(_marked(*row)) for row in layout.baselines]
    notes = [f"- {_plain(note)}" for note in layout.notes]
    return "\n".join([*lines, *(["", *notes] if notes else []), ""])


def to_latex(layout: Table) -> str:
    """A `table` environment that needs the package booktabs, all text escaped."""
    rules = [r"\midrule", *_rows(layout.baselines)] if layout.baselines else []
    lines = [
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_tex(layout.title)}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        rf"\begin{{tabular}}{{l{'r' * len(layout.heads)}}}",
        r"\toprule",
        *_heads(layout.heads),
        r"\midrule",
        *_rows(layout.rows),
        *rules,
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\medskip",
        r"\begin{minipage}{\linewidth}",
        r"\scriptsize",
        *(rf"{_tex(note)}\par" for note in layout.notes),
        r"\end{minipage}",
        r"\end{table}",
    ]
    return "\n".join([*lines, ""])


def _heads(heads: Sequence[tuple[str, str]]) -> list[str]:
    """Two lines: each first head once above its columns, then the second heads."""
    above, rules, column = [""], [], 2
    for first, group in itertools.groupby(heads, key=lambda head: head[0]):
        count = len(list(group))
        above.append(rf"\multicolumn{{{count}}}{{c}}{{{_tex(first)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + count - 1}}}")
        column += count
    below = ["approach", *(_tex(second) for _, second in heads)]
    return [_ended(above), " ".join(rules), _ended(below)]


def _rows(rows: Iterable[tuple[str, Sequence[TableCell]]]) -> list[str]:
    lines = []
    for name, entries in rows:
        texts = [(_tex(entry.text), entry.best) for entry in entries]
        cells = [rf"\textbf{{{text}}}" if best else text for text, best in texts]
        lines.append(_ended([_tex(name), *cells]))
    return lines


def _marked(name: str, entries: Iterable[TableCell]) -> list[str]:
    texts = [(_plain(entry.text), entry.best) for entry in entries]
    return [_plain(name), *(f"**{text}**" if best else text for text, best in texts)]


def _plain(text: str) -> str:
    """Text that Markdown shows as it is, on one line."""
    return re.sub(r"([\\|*_`&<\[\]])", r"\\\1", " ".join(text.split()))


def _tex(text: str) -> str:
    """Text that LaTeX shows as it is, on one line."""
    return " ".join(text.split()).translate(LATEX)


def _piped(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _ended(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"
