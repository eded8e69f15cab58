"""A stage of an approach: methods that train together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from research.common.config import build, build_named, changed, resolved
from research.common.errors import InputError, choose_from
from research.experiments.prompt import PROMPT
from research.methods import METHODS
from research.methods.method import Method
from research.tasks.sampling import Regime
from research.training.optimizer import Schedule


@dataclass(frozen=True)
class Stage:
    """Methods that train together, and their schedule.

    Attributes:
        methods: the methods that train.
        schedule: steps, batch size, optimizer and learning-rate schedule.
        learning_rate: peak learning rate.
        weight_decay: weight decay.
        merge: whether the methods are merged into the backbone after the stage.
        template: index of the template to train with; None for the approach's.
        task: another task of the experiment to train on; None for the cell's. A classification
            head for it starts anew and is removed after the stage.
        regime: regime of the training data; None for the cell's.

    Raises InputError for invalid values.
    """

    methods: tuple[Method, ...]
    schedule: Schedule
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    merge: bool = False
    template: int | None = None
    task: str | None = None
    regime: str | int | None = None

    def __post_init__(self) -> None:
        names = [method.name for method in self.methods]
        if not names or len(set(names)) < len(names):
            raise InputError("methods", names, "at least one method is expected, each once")
        if not 0 < self.learning_rate < math.inf:
            raise InputError("learning_rate", self.learning_rate, "a number above 0 is expected")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError("weight_decay", self.weight_decay, "a number from 0 is expected")
        if self.regime is not None:
            Regime.parse(self.regime)

    @property
    def has_head(self) -> bool:
        """Whether a classification head trains."""
        return any(method.is_head for method in self.methods)

    @property
    def lends_head(self) -> bool:
        """Whether it trains a head for another task, which is removed after the stage."""
        return self.task is not None and self.has_head


def parse_stage(values: Any, schedule: Schedule, path: str) -> Stage:
    """Parses the plain data of a config; fields of its schedule override the common `schedule`."""
    if not isinstance(values, Mapping):
        raise InputError(path, values, "a mapping with the field 'method' is expected")
    methods = _methods(values, path)
    overrides = values.get("schedule", {})
    if not isinstance(overrides, Mapping):
        raise InputError(f"{path}.schedule", overrides, "a mapping is expected")
    schedule = build(Schedule, {**resolved(schedule), **overrides}, f"{path}.schedule")
    rest = {name: value for name, value in values.items() if name != "method"}
    return build(Stage, {**rest, "methods": methods, "schedule": schedule}, path)


def stage_with(stage: Stage, name: str, value: int | float | str | bool, path: str) -> Stage:
    """The stage with a changed field of itself or of one of its methods.

    path: stands in errors for the place of the value in the config.
    """
    stage_fields = ("learning_rate", "weight_decay")
    method_of = {f.name: i for i, method in enumerate(stage.methods) for f in fields(method)}
    if name in stage_fields:
        return changed(stage, name, value, path)
    if name not in method_of:
        raise InputError(path, name, choose_from((*PROMPT, *stage_fields, *method_of), name))
    methods, index = list(stage.methods), method_of[name]
    methods[index] = changed(methods[index], name, value, path)
    return replace(stage, methods=tuple(methods))


def plain_stage(stage: Stage, data: Any) -> dict[str, Any]:
    """JSON data by `resolved` or `non_default`, with the names of the methods."""
    methods = [{"name": method.name, **data(method)} for method in stage.methods]
    rest = {name: value for name, value in data(stage).items() if name != "methods"}
    return {**rest, **({"methods": methods} if methods[1:] else {"method": methods[0]})}


def _methods(values: Mapping[str, Any], path: str) -> tuple[Method, ...]:
    """`method` stands for `methods` with one method."""
    if "methods" not in values:
        return (build_named(METHODS, values.get("method", {}), f"{path}.method", "name"),)
    listed = values["methods"]
    if "method" in values or not isinstance(listed, tuple | list):
        raise InputError(
            f"{path}.methods", listed, "a sequence is expected, without the field `method`"
        )
    return tuple(
        build_named(METHODS, method, f"{path}.methods[{i}]", "name")
        for i, method in enumerate(listed)
    )
