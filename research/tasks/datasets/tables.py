"""Tables of strings from CSV, TSV, JSON lines and Hugging Face datasets, without type guessing.

Every value keeps its text in the source, including `NA`, `null`, `007` and `1.0`.
"""

import bz2
import csv
import difflib
import gzip
import lzma
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from research.common.errors import InputError, choose_from
from research.common.json_io import parse_json
from research.runtime.scratch import ScratchFolder
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
    """

    source: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, object]]

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
    file = Path(os.path.expanduser(path))  # leaves ~ as it is where there is no home
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


def read_dataset(
    path: str, config_name: str | None, splits: Mapping[str, str], columns: Sequence[str]
) -> dict[str, StringTable]:
    """Reads `columns` of the splits of a dataset of the hub or in a local folder.

    A class index becomes the name of its class. Nothing is written beside a local dataset.
    Raises InputError where datasets cannot find or read it.

    Args:
      path: hub id or folder.
      config_name: configuration of the dataset.
      splits: use (train, dev, test) -> name of the split, such as `train[:1000]`.
      columns: to read.
    """
    import datasets  # takes seconds to import
    from datasets.exceptions import DatasetGenerationError, DatasetsError

    folder = str(Path(os.path.expanduser(path)))
    local = Path(folder).is_dir()
    with _quiet(datasets), ScratchFolder() as scratch:
        # Downloads stay in the user's cache.
        where = {
            "path": folder if local else path,
            "name": config_name,
            "cache_dir": str(scratch) if local else None,
        }
        try:
            builder = datasets.load_dataset_builder(**where)
            if builder.name == "csv":  # or the reader would guess types
                where |= {"converters": dict.fromkeys(columns, str), "keep_default_na": False}
            loaded = datasets.load_dataset(**where, split=list(splits.values()))
        except (OSError, ValueError, DatasetsError) as error:
            vague = isinstance(error, DatasetGenerationError) and error.__cause__
            reason = " ".join(str(error.__cause__ if vague else error).split())
            raise InputError("path", path, reason) from error
        named = zip(splits.items(), loaded, strict=True)
        return {use: _plain_table(f"{path}/{split}", data, columns) for (use, split), data in named}


def _plain_table(source: str, data: Any, wanted: Sequence[str]) -> StringTable:
    """The wanted columns of a `datasets.Dataset`, in memory."""
    columns = {}
    for name in dict.fromkeys(wanted):
        if name not in data.column_names:
            continue  # reported by StringTable.column
        values = data[name][:]
        names = getattr(data.features[name], "names", None)
        if names is not None:  # -1 marks a missing label
            values = [None if v is None or v < 0 else names[v] for v in values]
        elif getattr(data.features[name], "dtype", None) in ("float16", "float32"):
            # The shortest text of a short number, as it was written: 0.1, not 0.10000000149.
            short = np.dtype(data.features[name].dtype).type
            values = [None if v is None else float(str(short(v))) for v in values]
        columns[name] = values
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return StringTable(source, tuple(data.column_names), rows)


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Disables progress bars."""
    enabled = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if enabled:
            datasets.enable_progress_bars()
