"""A table as Markdown."""

import re
from collections.abc import Iterable

from research.reporting.table import Table, TableCell

BASELINES = "without the model"  # heading of the baselines


def to_markdown(table: Table, level: int = 1) -> str:
    """A pipe table below a heading; baselines follow below a row of their own.

    Args:
        table: the table.
        level: level of the heading.
    """
    width = len(table.heads)
    lines = [
        f"{'#' * level} {_escaped(table.title)}",
        "",
        _row(["approach", *(_escaped(" ".join(head)) for head in table.heads)]),
        _row([":---", *["---:"] * width]),
        *(_row(_texts(*row)) for row in table.rows),
    ]
    if table.baselines:
        lines.append(_row([f"*{BASELINES}*", *[""] * width]))
        lines += [_row(_texts(*row)) for row in table.baselines]
    notes = [f"- {_escaped(note)}" for note in table.notes]
    return "\n".join([*lines, *(["", *notes] if notes else []), ""])


def _texts(name: str, cells: Iterable[TableCell]) -> list[str]:
    texts = [(_escaped(cell.text), cell.best) for cell in cells]
    return [_escaped(name), *(f"**{text}**" if best else text for text, best in texts)]


def _escaped(text: str) -> str:
    """Text that Markdown shows unchanged, on one line."""
    return re.sub(r"([\\|*_`&<\[\]])", r"\\\1", " ".join(text.split()))


def _row(texts: Iterable[str]) -> str:
    return "| " + " | ".join(texts) + " |"
