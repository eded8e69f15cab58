"""Writing CSV files."""

import csv
import io
from collections.abc import Iterable, Sequence


def csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as CSV in UTF-8, lines ending in a line feed, cells quoted where needed."""
    lines = []
    for row in rows:
        line = io.StringIO()
        # With this line end, the writer quotes cells with a carriage return; readers need that.
        csv.writer(line, lineterminator="\r\n").writerow(row)
        lines.append(line.getvalue().removesuffix("\r\n") + "\n")
    return "".join(lines).encode()
