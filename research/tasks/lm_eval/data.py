"""The rows of a task's splits, read by the datasets library as lm-evaluation-harness does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.common.errors import InputError, name_list
from research.common.paths import resolve_path
from research.runtime.scratch import ScratchFolder
from research.tasks.datasets.hub import without_progress_bars
from research.tasks.lm_eval.config import TaskConfig
from research.tasks.lm_eval.document import Row


@dataclass(frozen=True)
class SplitRows:
    """The rows of a split.

    Attributes:
      rows: value by column.
      columns: names of the columns.
    """

    rows: Sequence[Row]
    columns: tuple[str, ...]


class _Location:
    """Where a dataset is, as arguments of `datasets.load_dataset`."""

    def __init__(self, config: TaskConfig, data: Mapping[str, str]):
        path = config.dataset_path
        if path is None:
            raise InputError("dataset_path", None, "the task file names no dataset")
        self.arguments: dict[str, Any] = {
            key: value for key, value in config.dataset_kwargs.items() if key != "trust_remote_code"
        }
        name = config.dataset_name
        folder = data.get(path, path)
        resolved = resolve_path(folder, f"data[{path!r}]")
        self.is_local = Path(resolved).is_dir()
        if path in data and not self.is_local:
            raise InputError(f"data[{path!r}]", folder, "no such folder")
        if self.is_local and name is not None and (Path(resolved) / name).is_dir():
            resolved, name = str(Path(resolved) / name), None
        self.is_local = self.is_local or "data_files" in self.arguments
        self.arguments |= {"path": resolved, "name": name}


def read_task_splits(
    config: TaskConfig,
    splits: Sequence[str],
    data: Mapping[str, str],
    process: Callable[[Any], Any] | None = None,
) -> dict[str, SplitRows]:
    """The rows of splits, by their name in the dataset.

    Raises InputError where the dataset or a split cannot be read.

    Args:
      config: of the task.
      splits: names of the splits.
      data: folders that replace datasets of the hub; one with a folder named as the dataset's
        configuration is read there.
      process: maps a split before it is read, `process_docs`.
    """
    import datasets  # takes seconds to import
    from datasets.exceptions import DatasetGenerationError, DatasetsError

    location = _Location(config, data)
    with without_progress_bars(datasets), ScratchFolder() as scratch:
        # Downloads stay in the user's cache.
        arguments = dict(location.arguments)
        if location.is_local:
            arguments["cache_dir"] = str(scratch)
        try:
            loaded: Any = datasets.load_dataset(**arguments)
        except (OSError, ValueError, TypeError, RuntimeError, DatasetsError) as error:
            vague = isinstance(error, DatasetGenerationError) and error.__cause__
            reason = " ".join(str(error.__cause__ if vague else error).split())
            raise InputError("dataset_path", config.dataset_path, reason) from error
        available = loaded if isinstance(loaded, dict) else {"train": loaded}
        rows = {}
        for split in dict.fromkeys(splits):
            if split not in available:
                allowed = f"the dataset has the splits {name_list(sorted(map(str, available)))}"
                raise InputError("split", split, allowed)
            rows[split] = _split_rows(available[split], process)
        return rows


def _split_rows(split: Any, process: Callable[[Any], Any] | None) -> SplitRows:
    """The rows of a `datasets.Dataset`, in memory."""
    if process is not None:
        try:
            split = process(split)
        except Exception as error:
            name = getattr(process, "__name__", "the function")
            allowed = f"it fails with {type(error).__name__}: {error}"
            raise InputError("process_docs", name, allowed) from error
    rows = [dict(row) for row in split]
    columns = getattr(split, "column_names", None) or (rows[0] if rows else ())
    return SplitRows(rows, tuple(columns))
