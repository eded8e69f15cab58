"""CSV files, whose cells may hold lists of texts as JSON."""

import csv
import io
import json
from collections.abc import Iterable, Sequence

from research.common.json_io import parse_json

MOST_CHARACTERS = 2**31 - 1  # of a cell that is read; the csv module allows 131,072 by default


def csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as CSV in UTF-8, lines ending in a line feed, cells quoted where needed."""
    lines = []
    for row in rows:
        line = io.StringIO()
        # With this line end, the writer quotes cells with a carriage return; readers need that.
        csv.writer(line, lineterminator="\r\n").writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines).encode()


def csv_rows(content: bytes) -> list[list[str]]:
    """The inverse of `csv_bytes`. Raises UnicodeDecodeError and csv.Error."""
    before = csv.field_size_limit(MOST_CHARACTERS)
    try:
        return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))
    finally:
        csv.field_size_limit(before)


def list_cell(texts: Sequence[str]) -> str:
    """The cell of a list of texts."""
    return json.dumps(texts, ensure_ascii=False)


def parse_lists(cells: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The texts in each cell. Raises TypeError or ValueError for a cell that is no list."""
    return tuple(tuple(map(str, parse_json(cell))) for cell in cells)
