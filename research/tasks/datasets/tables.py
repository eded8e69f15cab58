"""Tables of strings from CSV, TSV and JSON files, without type guessing.

Every value keeps its text in the source, including `NA`, `null`, `007` and `1.0`.
"""

import bz2
import csv
import difflib
import gzip
import lzma
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from research.common.errors import InputError, choose_from
from research.common.json_io import parse_json
from research.tasks.row_reader import text_of

_OPENERS: dict[str, Any] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_JSON = (".jsonl", ".ndjson", ".json")


@dataclass(frozen=True)
class StringTable:
    """Rows of a file or a split.

    Attributes:
      source: file or split, for messages.
      columns: names of the columns.
      rows: value by column; a str, a number, a bool, or None where missing.
      skipped: numbers of the rows of the source that were left out, from 1.
    """

    source: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]]
    skipped: tuple[int, ...] = ()

    def without_empty(self, columns: Sequence[str]) -> "StringTable":
        """The table without the rows that lack a value of one of the columns."""
        lacking = {
            number
            for number, row in enumerate(self.rows, start=1)
            for name in columns
            if name in self.columns and not (text_of(row.get(name)) or "").strip()
        }
        rows = [row for number, row in enumerate(self.rows, start=1) if number not in lacking]
        return replace(self, rows=rows, skipped=tuple(sorted(lacking)))

    def column(self, name: str) -> list[str]:
        """The values of a column as texts, see `text_of`; InputError for a missing value."""
        if name not in self.columns:
            raise InputError(f"column of {self.source}", name, choose_from(self.columns, name))
        values = [row.get(name) for row in self.rows]
        texts = list(map(text_of, values))
        odd = [row for row, text in enumerate(texts) if text is None]
        if odd:
            allowed = (
                f"{len(odd)} of {len(values)} rows hold no text here, the first is row {odd[0] + 1}"
                f" with {values[odd[0]]!r}"
            )
            raise InputError(f"column of {self.source}", name, allowed)
        return [text for text in texts if text is not None]


def read_file(
    path: str,
    columns: Sequence[str] = (),
    delimiter: str | None = None,
    quoting: bool | None = None,
) -> StringTable:
    """Reads a file, compressed or not. Raises InputError for a missing or malformed file.

    Args:
      path: its suffix determines the format.
      columns: names for a file without a header.
      delimiter: between cells, whatever the suffix.
      quoting: whether cells may be in double quotes; default yes in CSV, no in TSV.
    """
    file = Path(path)
    if not file.is_file():
        if file.exists():
            raise InputError("file", path, "a file is expected, this is something else")
        siblings = [p.name for p in file.parent.iterdir()] if file.parent.is_dir() else []
        near = difflib.get_close_matches(file.name, siblings, n=1)
        hint = f"; the nearest name there is {near[0]!r}" if near else ""
        raise InputError("file", path, f"no such file{hint}")
    packed = file.suffix in _OPENERS
    kind = Path(file.stem).suffix if packed else file.suffix
    delimiter = delimiter or _DELIMITERS.get(kind)
    if delimiter is None and kind not in _JSON:
        suffixes = ", ".join((*_DELIMITERS, *_JSON))
        raise InputError("file", path, f"its name ends in none of {suffixes}; or give a delimiter")
    try:
        # Rows end with \n; other line ends may be part of a text.
        opener = _OPENERS[file.suffix] if packed else open
        with opener(file, "rt", encoding="utf-8-sig", newline="\n") as lines:
            if delimiter is None:
                return _json_table(path, lines)
            cells = _cells(lines, delimiter, quoting)
            return _delimited_table(path, cells, tuple(columns))
    except UnicodeDecodeError as error:
        raise InputError("file", path, f"it is not UTF-8 text ({error.reason})") from error
    except csv.Error as error:
        if "new-line character" in str(error):
            allowed = "its lines end with a carriage return alone; save it with line feeds"
        else:
            allowed = f"{error}; a cell in quotes doubles the quotes within, or set quoting=False"
        raise InputError("file", path, allowed) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise InputError("file", path, f"it cannot be read ({error})") from error


def _cells(lines: TextIO, delimiter: str, quoting: bool | None) -> Iterator[list[str]]:
    quoting = delimiter != "\t" if quoting is None else quoting
    if quoting and (len(delimiter) != 1 or delimiter in '"\r\n'):
        allowed = "one character is expected, no quote and no line end, or more without quoting"
        raise InputError("delimiter", delimiter, allowed)
    return _quoted(lines, delimiter) if quoting else _unquoted(lines, delimiter)


def _quoted(lines: TextIO, delimiter: str) -> Iterator[list[str]]:
    before = csv.field_size_limit(2**31 - 1)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    try:
        yield from (row for row in reader if row)
    except csv.Error as error:
        raise csv.Error(f"line {reader.line_num}: {error}") from error
    finally:
        csv.field_size_limit(before)


def _unquoted(lines: TextIO, delimiter: str) -> Iterator[list[str]]:
    for line in lines:
        content = line.removesuffix("\n").removesuffix("\r")
        if content:
            yield content.split(delimiter)


def _delimited_table(
    source: str, cells: Iterator[list[str]], columns: tuple[str, ...]
) -> StringTable:
    columns = columns or tuple(next(cells, ()))
    if len(set(columns)) != len(columns):
        raise InputError(f"columns of {source}", columns, "each column needs a name of its own")
    rows = []
    for number, values in enumerate(cells, start=1):
        if len(values) != len(columns):
            allowed = f"row {number} has {len(values)} cells, and there are {len(columns)} columns"
            raise InputError("file", source, f"{allowed} ({', '.join(columns)})")
        rows.append(dict(zip(columns, values, strict=True)))
    return StringTable(source, columns, rows)


def _json_table(source: str, lines: TextIO) -> StringTable:
    content = lines.read()
    whole = content.lstrip().startswith("[")  # one list of objects
    rows: list[Mapping[str, object]] = []
    for number, text in enumerate([content] if whole else content.split("\n"), start=1):
        if not text.strip():
            continue
        try:
            # Numbers keep their written form.
            value = parse_json(text, parse_int=str, parse_float=str, parse_constant=str)
        except ValueError as error:
            raise InputError("file", source, f"line {number} is not JSON ({error})") from error
        rows += value if isinstance(value, list) else [value]
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            allowed = f'row {number} is not an object such as {{"text": ...}}'
            raise InputError("file", source, allowed)
    return StringTable(source, tuple(dict.fromkeys(name for row in rows for name in row)), rows)
