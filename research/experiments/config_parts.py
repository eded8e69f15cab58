"""Parts of an experiment's config: tasks, approaches and schedules as plain data."""

from collections.abc import Mapping, Sequence
from typing import Any

from research.common.config import build_named
from research.common.errors import InputError
from research.experiments.approach import Approach
from research.tasks import TASKS
from research.tasks.task_settings import TaskSettings
from research.training.optimizer import Schedule


def with_tasks(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Resolves `task`, which exists because flags cannot reach into the sequence `tasks`."""
    if "task" not in config:
        return config
    if "tasks" in config:
        raise InputError("config.task", config["task"], "either task or tasks, not both")
    return {"tasks": (config["task"],), **{k: v for k, v in config.items() if k != "task"}}


def parse_tasks(config: Mapping[str, Any], name: str) -> tuple[TaskSettings, ...]:
    return tuple(
        build_named(TASKS, values, f"config.{name}[{i}]", "source")
        for i, values in enumerate(config_sequence(config, name))
    )


def parse_approaches(plain: Sequence[Any], schedule: Schedule) -> tuple[Approach, ...]:
    return tuple(
        Approach.parse(values, schedule, f"config.approaches[{i}]")
        for i, values in enumerate(plain)
    )


def task_schedules(config: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], str]]:
    """(task, fields of its schedule, path in the config)."""
    values = config.get("schedules", {})
    if not isinstance(values, Mapping):
        raise InputError("config.schedules", values, "a mapping of tasks to schedules is expected")
    schedules = [(str(task), fields, f"config.schedules.{task}") for task, fields in values.items()]
    for _, fields, path in schedules:
        if not isinstance(fields, Mapping):
            raise InputError(path, fields, "a mapping with fields of the schedule is expected")
    return schedules


def config_sequence(config: Mapping[str, Any], name: str) -> tuple[Any, ...] | list[Any]:
    values = config.get(name)
    if not isinstance(values, tuple | list):
        raise InputError(f"config.{name}", values, "a sequence is expected")
    return values
