"""The fields of an experiment from the plain data of a config."""

from collections.abc import Mapping, Sequence
from typing import Any

from research.common.config import build, build_named, resolved
from research.common.errors import InputError, check_choice
from research.evaluation.answer_sources import ANSWER_SOURCES
from research.evaluation.answer_sources.endpoint import Endpoint
from research.experiments.approach import Approach
from research.experiments.parse_approach import parse_approach
from research.experiments.prompt import LAYOUT, Prompt
from research.tasks import TASKS
from research.tasks.task_settings import TaskSettings
from research.training.optimizer import Schedule


def experiment_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Experiment`: tasks and approaches parsed, all others as in the config.

    Raises InputError for invalid tasks, approaches, schedules and prompts.
    """
    config = _with_backbone(_with_tasks(config))
    schedule = build(Schedule, config.get("schedule", {}), "config.schedule")
    plain = _config_sequence(config, "approaches")
    layout = _parse_layout(config.get("prompt", {}), "config.prompt")
    schedules, prompts = _task_fields(config, "schedules"), _task_fields(config, "prompts")
    tasks = _parse_tasks(config, "tasks")
    for name in prompts:
        check_choice("config.prompts", name, [task.name for task in tasks])
    approaches_on = {}
    for name in {**schedules, **prompts}:
        merged = {**resolved(schedule), **schedules.get(name, {})}
        on_task = build(Schedule, merged, f"config.schedules.{name}")
        prompt = _parse_layout(prompts.get(name, {}), f"config.prompts.{name}")
        approaches_on[name] = _parse_approaches(plain, on_task, {**layout, **prompt})
    parsed = {
        "schedule": schedule,
        "approaches_on": approaches_on,
        "tasks": tasks,
        "stage_tasks": _parse_tasks({"stage_tasks": (), **config}, "stage_tasks"),
        "approaches": _parse_approaches(plain, schedule, layout),
    }
    resolved_here = ("schedules", "prompt", "prompts")
    others = {name: value for name, value in config.items() if name not in resolved_here}
    return {**others, **parsed}


def _with_tasks(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Resolves `task`, which exists because flags cannot reach into the sequence `tasks`."""
    if "task" not in config:
        return config
    if "tasks" in config:
        raise InputError("config.task", config["task"], "either task or tasks, not both")
    return {"tasks": (config["task"],), **{k: v for k, v in config.items() if k != "task"}}


def _with_backbone(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """Resolves `backbones`: the first is `backbone`, and a single one stands for it alone."""
    if "backbones" not in config:
        return config
    if "backbone" in config:
        allowed = "either backbone or backbones, not both"
        raise InputError("config.backbone", config["backbone"], allowed)
    names = tuple(_config_sequence(config, "backbones"))
    if not names:
        raise InputError("config.backbones", names, "at least one is expected")
    return {**config, "backbone": names[0], "backbones": names if len(names) > 1 else ()}


def _parse_tasks(config: Mapping[str, Any], name: str) -> tuple[TaskSettings, ...]:
    return tuple(
        build_named(TASKS, values, f"config.{name}[{i}]", "source")
        for i, values in enumerate(_config_sequence(config, name))
    )


def _parse_approaches(
    plain: Sequence[Any], schedule: Schedule, layout: Mapping[str, Any]
) -> tuple[Approach, ...]:
    """The approaches; `layout` has values of `LAYOUT` for rows that do not set these fields."""
    rows = [(values, f"config.approaches[{i}]") for i, values in enumerate(plain)]
    return tuple(
        parse_approach(_with_layout(values, layout, path), schedule, path) for values, path in rows
    )


def _with_layout(values: Any, layout: Mapping[str, Any], path: str) -> Any:
    """The fields of an approach. Raises InputError for one that only a chat has in a plain row."""
    if isinstance(values, Mapping) and values.get("endpoint"):
        return {**{n: v for n, v in layout.items() if n in Endpoint.prompt_fields}, **values}
    if not isinstance(values, Mapping) or any(values.get(name) for name in ANSWER_SOURCES):
        return values
    merged, trials = {**layout, **values}, values.get("trials")
    tried = isinstance(trials, tuple | list) and any(
        isinstance(trial, Mapping) and "chat" in trial for trial in trials
    )
    for name in ("system", "thinking"):
        if values.get(name) and not merged.get("chat") and not tried:
            allowed = "only a chat has it, which the row is not; chat=True makes it one"
            raise InputError(f"{path}.{name}", values[name], allowed)
    return merged


def _parse_layout(values: Any, path: str) -> dict[str, Any]:
    """Values of the fields in `LAYOUT` for all rows of an experiment, or of a task."""
    build(Prompt, values, path)
    for name in values:
        check_choice(path, name, LAYOUT)
    return dict(values)


def _task_fields(config: Mapping[str, Any], name: str) -> dict[str, Mapping[str, Any]]:
    """The fields that the config sets for single tasks under `name`, by task."""
    values = config.get(name, {})
    if not isinstance(values, Mapping):
        raise InputError(f"config.{name}", values, f"a mapping of tasks to {name} is expected")
    for task, fields in values.items():
        if not isinstance(fields, Mapping):
            allowed = f"a mapping with fields of the {name.removesuffix('s')} is expected"
            raise InputError(f"config.{name}.{task}", fields, allowed)
    return {str(task): fields for task, fields in values.items()}


def _config_sequence(config: Mapping[str, Any], name: str) -> tuple[Any, ...] | list[Any]:
    values = config.get(name)
    if not isinstance(values, tuple | list):
        raise InputError(f"config.{name}", values, "a sequence is expected")
    return values
