"""A row of the table: a prompt, the stages it trains in, and the trials it gets on dev."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from research.errors import InputError, choose_from
from research.evaluation.baselines import BASELINES
from research.methods import METHODS
from research.methods.method import Method
from research.settings import build, build_named, changed, resolved
from research.tasks.task import Task
from research.training.optimizer import Schedule

Trial = Mapping[str, int | float]

DRAWS = 1000  # draws of demonstrations that a seed has; no two seeds share one


@dataclass(frozen=True)
class Stage:
    """Methods that train together, and how. Raises InputError for rates that make no sense."""

    methods: tuple[Method, ...]
    schedule: Schedule
    learning_rate: float = 1e-3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        names = [method.name for method in self.methods]
        if not names or len(set(names)) < len(names):
            raise InputError("methods", names, "at least one is expected, each once")
        if not 0 < self.learning_rate < math.inf:
            raise InputError("learning_rate", self.learning_rate, "a number above 0 is expected")
        if not 0 <= self.weight_decay < math.inf:
            raise InputError("weight_decay", self.weight_decay, "a number from 0 is expected")


@dataclass(frozen=True)
class Approach:
    """name: of the row. template: which of the task's. demonstrations: how many per class stand
    before each row, or `fit`: as many as the context holds. draw: which demonstrations.
    stages: what trains, one after the other; none for a prompt. baseline: a row without the
    backbone, with its options. trials: the values tried on dev, by field name, or `templates`:
    each of the task's; one is chosen.
    Raises InputError for values that make no approach.
    """

    name: str
    template: int = 0
    demonstrations: int | Literal["fit"] = 0
    draw: int = 0
    stages: tuple[Stage, ...] = ()
    baseline: str | None = None
    options: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] | Literal["templates"] = field(default=({},), compare=False)

    def __post_init__(self) -> None:
        if not self.name:
            raise InputError("name", self.name, "a row needs a name")
        if self.template < 0:
            raise InputError("template", self.template, "a whole number from 0 is expected")
        if self.demonstrations != "fit" and self.demonstrations < 0:
            allowed = "a whole number from 0, or 'fit', is expected"
            raise InputError("demonstrations", self.demonstrations, allowed)
        if not 0 <= self.draw < DRAWS:
            raise InputError("draw", self.draw, f"a whole number from 0 to {DRAWS - 1} is expected")
        if self.baseline is not None:
            self._check_baseline()

    def _check_baseline(self) -> None:
        if self.baseline not in BASELINES:
            allowed = choose_from(BASELINES, str(self.baseline))
            raise InputError("baseline", self.baseline, allowed)
        if self.stages or self.demonstrations:
            raise InputError("baseline", self.baseline, "it has no stages and no demonstrations")
        for name in self.options:
            if name not in _options(self.baseline):
                raise InputError("options", name, choose_from(_options(self.baseline), name))

    @classmethod
    def parse(cls, values: Mapping[str, Any], schedule: Schedule, at: str) -> "Approach":
        """From a config's plain data; a stage's schedule is laid over the common `schedule`.

        Raises InputError for unknown fields, methods and trial fields.
        """
        if not isinstance(values, Mapping):
            raise InputError(at, values, "a mapping with the fields of an approach is expected")
        stages = values.get("stages", ())
        if not isinstance(stages, tuple | list):
            raise InputError(f"{at}.stages", stages, "a sequence of stages is expected")
        parsed = tuple(
            _stage(stage, schedule, f"{at}.stages[{i}]") for i, stage in enumerate(stages)
        )
        approach = build(cls, {**values, "stages": parsed}, at)
        if approach.trials == "templates":
            return approach
        if not approach.trials:
            raise InputError(f"{at}.trials", approach.trials, "at least one trial is expected")
        tried = [approach.at(trial, f"{at}.trials") for trial in approach.trials]
        for one, trial in zip(tried, approach.trials, strict=True):
            if tried.count(one) > 1:
                raise InputError(f"{at}.trials", trial, "each trial may stand there once")
        return approach

    def trials_on(self, task: Task) -> tuple[Trial, ...]:
        """The trials it gets on a task."""
        if self.trials == "templates":
            return tuple(dict(template=i) for i in range(len(task.templates)))
        return self.trials  # pyright: ignore

    def at(self, trial: Trial, where: str = "trial") -> "Approach":
        """This approach with a trial's values: its own fields, or those of its last stage or of
        that stage's methods. Raises InputError for a name that is none of them.
        """
        chosen = self
        for name, value in trial.items():
            chosen = chosen._with(name, value, where)
        return chosen

    def _with(self, name: str, value: int | float, where: str) -> "Approach":
        if self.baseline is not None:
            return changed(self, "options", {**self.options, name: value}, where)
        own = ("template", "draw")
        if name in own:
            return changed(self, name, value, where)
        if not self.stages:
            raise InputError(where, name, choose_from(own, name))
        *before, last = self.stages
        of_stage = ("learning_rate", "weight_decay")
        of_methods = {f.name: i for i, m in enumerate(last.methods) for f in fields(m)}
        if name in of_stage:
            last = changed(last, name, value, where)
        elif name in of_methods:
            methods = list(last.methods)
            place = of_methods[name]
            methods[place] = changed(methods[place], name, value, where)
            last = replace(last, methods=tuple(methods))
        else:
            raise InputError(where, name, choose_from((*own, *of_stage, *of_methods), name))
        return replace(self, stages=(*before, last))

    @property
    def methods(self) -> tuple[Method, ...]:
        """The methods of all stages."""
        return tuple(method for stage in self.stages for method in stage.methods)

    def plain(self, data=resolved) -> dict[str, Any]:
        """JSON data by `resolved` or `non_default`, without the trials; methods bear their name."""
        stages = [_plain(stage, data) for stage in self.stages]
        return {**data(replace(self, trials=({},), stages=())), "stages": stages}


BASELINE_ROWS = tuple(
    Approach(name, baseline=name, trials=baseline.trials) for name, baseline in BASELINES.items()
)


def _options(baseline: str) -> set[str]:
    return {name for trial in BASELINES[baseline].trials for name in trial}


def _stage(values: Any, schedule: Schedule, at: str) -> Stage:
    if not isinstance(values, Mapping):
        raise InputError(at, values, "a mapping with the field 'method' is expected")
    methods = _methods(values, at)
    own = values.get("schedule", {})
    if not isinstance(own, Mapping):
        raise InputError(f"{at}.schedule", own, "a mapping is expected")
    whole = build(Schedule, {**resolved(schedule), **own}, f"{at}.schedule")
    rest = {name: value for name, value in values.items() if name != "method"}
    return build(Stage, {**rest, "methods": methods, "schedule": whole}, at)


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


def _plain(stage: Stage, data: Any) -> dict[str, Any]:
    methods = [{"name": method.name, **data(method)} for method in stage.methods]
    rest = {name: value for name, value in data(stage).items() if name != "methods"}
    return {**rest, **({"methods": methods} if methods[1:] else {"method": methods[0]})}
