"""Settings of tasks in the YAML format of lm-evaluation-harness."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.tasks.lm_eval.build import build_task
from research.tasks.lm_eval.catalog.index import TaskEntry, TaskIndex
from research.tasks.lm_eval.catalog.index_cache import open_index
from research.tasks.lm_eval.catalog.package import task_folder
from research.tasks.lm_eval.config import TaskConfig, read_task_config
from research.tasks.lm_eval.functions import with_functions
from research.tasks.lm_eval.refusals import python_class, refusals
from research.tasks.lm_eval.yaml_file import YamlReader
from research.tasks.task import Task
from research.tasks.task_settings import TaskSettings


class _TaskFile(NamedTuple):
    """A task file.

    Attributes:
      path: of the file.
      folder: that of the user; None for the installed package.
      tasks: index of the folder; None for a single file.
    """

    path: str
    folder: str | None
    tasks: TaskIndex | None


@dataclass(frozen=True, kw_only=True)
class LMEvalTask(TaskSettings):
    """A task of lm-evaluation-harness, or of the user's own file in its format.

    The test split is the one that the harness evaluates: the file's test split, or its validation
    split where there is no other. Training examples are those of its training split, and dev those
    of its validation split where that is not evaluated.

    Attributes:
      task: name of the task.
      path: file of a task, in place of its name.
      folder: folder of task files, in place of the installed package.
      name: unique within an experiment; default: the name of the task.
      data: folders by the hub id that they replace. A folder that contains one named as the
        dataset's configuration is read there.
      num_fewshot: demonstrations before each row, chosen by the harness's own sampler; they are
        part of the prompt. A row's own `demonstrations` are chosen by ours.
      training_split: split to train on where the file names none.
      metric: headline metric; default: the first of the file that can be one. Where it is set, the
        file's other metrics are left out, so that they may be functions.
      filter: name of the filters of outputs; default: the first of the file.
      most_test: number of rows that are evaluated, the first ones; None for all.
      invalid: whether a row without a right answer among its choices, or without an answer, is an
        error or is skipped and counted.
      trust_task_code: whether the Python functions of a file in `path` or `folder` are run. Those
        of the installed package are never run.
    """

    task: str | None = None
    path: str | None = None
    folder: str | None = None
    name: str = ""
    data: Mapping[str, str] = field(default_factory=dict)
    num_fewshot: int = 0
    training_split: str | None = None
    metric: str | None = None
    filter: str | None = None
    most_test: int | None = None
    invalid: Literal["error", "skip"] = "error"
    trust_task_code: bool = False

    def __post_init__(self) -> None:
        if (self.task is None) == (self.path is None):
            allowed = "the name of a task, or the path of a task file, is expected"
            raise InputError("task", self.task, allowed)
        if self.path is not None and self.folder is not None:
            raise InputError("folder", self.folder, "either folder or path, not both")
        if self.num_fewshot < 0:
            raise InputError("num_fewshot", self.num_fewshot, "a whole number from 0 is expected")
        if self.most_test is not None and self.most_test < 1:
            raise InputError("most_test", self.most_test, "a whole number from 1, or None")
        if self.trust_task_code and self.path is None and self.folder is None:
            allowed = "only the code of a folder that you name is run: set folder or path"
            raise InputError("trust_task_code", True, allowed)
        if not self.name:
            name = self.task or Path(self.path or "").stem
            object.__setattr__(self, "name", name)

    def load(self) -> Task:
        """Raises InputError for a file or data that cannot be read, and for a refused task."""
        return build_task(self, self.config())

    def config(self) -> TaskConfig:
        """The keys of the task file. Raises InputError for a task that is refused."""
        file = self._file()
        values = YamlReader().read(file.path)
        reason = python_class(values)
        if reason is None:
            config = read_task_config(values, file.path)
            reason = "; ".join(refusals(config, self.trust_task_code, self.metric))
            if not reason:
                if self.trust_task_code and file.folder is not None:
                    return with_functions(config, file.folder)
                return config
        raise InputError("task", self.name, f"it is refused, {reason}{self._rest(file.tasks)}")

    def _file(self) -> _TaskFile:
        if self.path is not None:
            path = resolve_path(self.path, "path")
            return _TaskFile(path, os.path.dirname(os.path.abspath(path)), None)
        assert self.task is not None  # checked above
        folder = task_folder(self.folder)
        index = open_index(folder)
        entry = index.entry(self.task)
        own = None if self.folder is None else str(folder.path)
        return _TaskFile(str(folder.path / entry.path), own, index)

    def _rest(self, index: TaskIndex | None) -> str:
        """How many tasks of the first group with this one can be read."""
        if index is None or self.task is None:
            return ""
        for group, entry in index.groups.items():
            if self.task in entry.members:
                members = [index.tasks[name] for name in index.members(group)]
                read = sum(_is_read(member) for member in members)
                return f"; of the {len(members)} tasks of {group}, {read} can be read"
        return ""


def _is_read(entry: TaskEntry) -> bool:
    return not entry.refusals and not entry.error
