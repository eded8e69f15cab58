"""Tables of strings from datasets of the Hugging Face hub and of local folders."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from research.common.errors import InputError
from research.runtime.scratch import ScratchFolder
from research.tasks.datasets.tables import StringTable


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

    local = Path(path).is_dir()
    with without_progress_bars(datasets), ScratchFolder() as scratch:
        # Downloads stay in the user's cache.
        where = {
            "path": str(Path(path)) if local else path,
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
def without_progress_bars(datasets: Any) -> Iterator[None]:
    """Disables progress bars."""
    enabled = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if enabled:
            datasets.enable_progress_bars()
