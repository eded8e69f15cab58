"""An index of a folder of task files: its tasks, groups and tags."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from research.common.errors import InputError, choose_from, name_list
from research.tasks.lm_eval.config import read_task_config
from research.tasks.lm_eval.refusals import python_class, refusals
from research.tasks.lm_eval.yaml_file import YamlReader

# Keys of a group; the others change the settings of its tasks.
GROUP_KEYS = ("group", "group_alias", "task", "tag", "aggregate_metric_list", "metadata")


class TaskEntry(NamedTuple):
    """A task file.

    Attributes:
      name: of the task.
      path: of the file, from the folder.
      output_type: what is asked of the model; "" where the file cannot be read.
      splits: names of the splits to train on, to tune on and to test on; None for none.
      choices: number of choices; None where each item has its own, or none.
      refusals: reasons for which it is refused; none for a task that is read.
      error: why the file cannot be read; "" where it can.
    """

    name: str
    path: str
    output_type: str
    splits: tuple[str | None, str | None, str | None]
    choices: int | None
    refusals: tuple[str, ...]
    error: str = ""


class GroupEntry(NamedTuple):
    """A group or a tag.

    Attributes:
      members: names of tasks, groups and tags.
      changed: those of the members whose settings the group changes.
    """

    members: tuple[str, ...]
    changed: tuple[str, ...] = ()


@dataclass(frozen=True)
class TaskIndex:
    """The tasks, groups and tags of a folder by name.

    Attributes:
      tasks: tasks by name; of several files with one name, the first in the order of paths.
      groups: groups and tags by name.
      errors: (path, reason) of files that are neither.
    """

    tasks: Mapping[str, TaskEntry]
    groups: Mapping[str, GroupEntry] = field(default_factory=dict)
    errors: tuple[tuple[str, str], ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all tasks, groups and tags."""
        return (*self.tasks, *(name for name in self.groups if name not in self.tasks))

    def entry(self, name: str) -> TaskEntry:
        """The task of this name. Raises InputError for a group, and for an unknown name."""
        if name in self.tasks:
            return self.tasks[name]
        if name in self.groups:
            members = self.members(name)
            allowed = f"it is a group of {len(members)} tasks, name one: {name_list(members)}"
            raise InputError("task", name, allowed)
        raise InputError("task", name, choose_from(self.names, name))

    def members(self, name: str) -> tuple[str, ...]:
        """The names of the tasks in a group or with a tag, each one time.

        Raises InputError for an unknown name.
        """
        if name not in self.groups and name not in self.tasks:
            raise InputError("group", name, choose_from(self.groups, name))
        return tuple(dict.fromkeys(self._members(name, ())))

    def _members(self, name: str, outer: tuple[str, ...]) -> Iterator[str]:
        # A group may contain a task with its own name.
        if name in self.groups and name not in outer:
            for member in self.groups[name].members:
                yield from self._members(member, (*outer, name))
        elif name in self.tasks:
            yield name


def task_files(folder: str) -> list[str]:
    """The YAML files below a folder, in the order of their paths."""
    paths = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _IGNORED]
        paths += [os.path.join(parent, name) for name in names if name.endswith(".yaml")]
    return sorted(paths)


_IGNORED = ("__pycache__", ".ipynb_checkpoints")


def build_index(folder: str) -> TaskIndex:
    """Reads all files of a folder."""
    reader = YamlReader()
    tasks: dict[str, TaskEntry] = {}
    groups: dict[str, GroupEntry] = {}
    tagged: dict[str, list[str]] = {}
    errors = []
    for path in task_files(folder):
        relative = os.path.relpath(path, folder)
        try:
            values = reader.read(path)
        except InputError as error:
            errors.append((relative, str(error)))
            continue
        name = values.get("task")
        if "group" in values and "class" not in values:
            for group, entry in _groups(values):
                groups.setdefault(group, entry)
        elif isinstance(name, str) and name not in tasks:
            tasks[name] = task_entry(name, relative, values)
            for tag in _as_list(values.get("tag")):
                tagged.setdefault(str(tag), []).append(name)
    for tag, names in tagged.items():
        groups.setdefault(tag, GroupEntry(tuple(names)))
    return TaskIndex(tasks, groups, tuple(errors))


def task_entry(name: str, path: str, values: Mapping[str, Any]) -> TaskEntry:
    """The entry of a file with these keys."""
    reason = python_class(values)
    if reason is not None:
        return TaskEntry(name, path, "", (None, None, None), None, (reason,))
    try:
        config = read_task_config(values, path)
    except InputError as error:
        return TaskEntry(name, path, "", (None, None, None), None, (), str(error))
    validation = config.validation_split if config.test_split else None
    choices = config.doc_to_choice
    return TaskEntry(
        name=name,
        path=path,
        output_type=config.output_type,
        splits=(config.training_split, validation, config.test),
        choices=len(choices) if isinstance(choices, list | dict) else None,
        refusals=tuple(refusals(config)),
    )


def _groups(values: Mapping[str, Any]) -> Iterator[tuple[str, GroupEntry]]:
    """The group of a file, and groups that are defined within it."""
    members, changed = [], []
    all_changed = any(key not in GROUP_KEYS for key in values)
    for member in _as_list(values.get("task")):
        name = member
        if isinstance(member, dict):
            name = member.get("group", member.get("task"))
            if "group" in member and isinstance(member.get("task"), list):
                yield from _groups(member)
        if isinstance(name, str):
            members.append(name)
            others = isinstance(member, dict) and set(member) - set(GROUP_KEYS)
            if others or all_changed:
                changed.append(name)
    yield str(values["group"]), GroupEntry(tuple(members), tuple(changed))


def _as_list(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
