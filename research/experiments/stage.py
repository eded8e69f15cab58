"""A stage of an approach: methods that train together, on what, and how."""

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
    """Methods that train together, and how.

    merge: whether what they add is folded into the backbone before the next stage. template: which
    of the task's templates it trains with, None for the approach's. task: another task of the
    experiment to train on, and regime: how much of it, None for the cell's. A head of another task
    starts anew, and goes when the stage ends. Raises InputError for rates that make no sense.
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
            raise InputError("methods", names, "at least one is expected, each once")
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
        """Whether its head is another task's."""
        return self.task is not None and self.has_head


def parse_stage(values: Any, schedule: Schedule, at: str) -> Stage:
    """From a config's plain data; its schedule is laid over the common `schedule`."""
    if not isinstance(values, Mapping):
        raise InputError(at, values, "a mapping with the field 'method' is expected")
    methods = _methods(values, at)
    own = values.get("schedule", {})
    if not isinstance(own, Mapping):
        raise InputError(f"{at}.schedule", own, "a mapping is expected")
    whole = build(Schedule, {**resolved(schedule), **own}, f"{at}.schedule")
    rest = {name: value for name, value in values.items() if name != "method"}
    return build(Stage, {**rest, "methods": methods, "schedule": whole}, at)


def stage_with(stage: Stage, name: str, value: int | float | str, where: str) -> Stage:
    """The stage with another value of a field of its own or of one of its methods."""
    own = ("learning_rate", "weight_decay")
    of_methods = {f.name: i for i, m in enumerate(stage.methods) for f in fields(m)}
    if name in own:
        return changed(stage, name, value, where)
    if name not in of_methods:
        raise InputError(where, name, choose_from((*PROMPT, *own, *of_methods), name))
    methods, place = list(stage.methods), of_methods[name]
    methods[place] = changed(methods[place], name, value, where)
    return replace(stage, methods=tuple(methods))


def plain_stage(stage: Stage, data: Any) -> dict[str, Any]:
    """JSON data by `resolved` or `non_default`; methods bear their name."""
    methods = [{"name": method.name, **data(method)} for method in stage.methods]
    rest = {name: value for name, value in data(stage).items() if name != "methods"}
    return {**rest, **({"methods": methods} if methods[1:] else {"method": methods[0]})}


def _methods(values: Mapping[str, Any], at: str) -> tuple[Method, ...]:
    """`method` is short for `methods` of one."""
    if "methods" not in values:
        return (build_named(METHODS, values.get("method", {}), f"{at}.method", "name"),)
    listed = values["methods"]
    if "method" in values or not isinstance(listed, tuple | list):
        raise InputError(f"{at}.methods", listed, "a sequence, and no `method` beside it")
    return tuple(
        build_named(METHODS, one, f"{at}.methods[{i}]", "name") for i, one in enumerate(listed)
    )
