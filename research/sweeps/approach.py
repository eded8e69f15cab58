"""A row of the table: a prompt, the stages it trains in, and the trials it gets on dev."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from research.errors import InputError, choose_from
from research.evaluation.baselines import BASELINES
from research.methods import METHODS
from research.methods.method import Method
from research.settings import build, build_named, non_default, resolved
from research.training.optimizer import Schedule

Trial = Mapping[str, int | float]


@dataclass(frozen=True)
class Stage:
    """One method and how it trains."""

    method: Method
    schedule: Schedule
    learning_rate: float = 1e-3
    weight_decay: float = 0.0


@dataclass(frozen=True)
class Approach:
    """name: of the row. template: which of the task's. demonstrations: how many per class stand
    before each row, or `fit`: as many as the context holds. draw: which demonstrations.
    stages: what trains, one after the other; none for a prompt. baseline: a row without the
    backbone, with its options. trials: the values tried on dev, by field name; one is chosen.
    """

    name: str
    template: int = 0
    demonstrations: int | Literal["fit"] = 0
    draw: int = 0
    stages: tuple[Stage, ...] = ()
    baseline: str | None = None
    options: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] = field(default=({},), compare=False)

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
        if approach.baseline is not None and approach.baseline not in BASELINES:
            allowed = choose_from(BASELINES, approach.baseline)
            raise InputError(f"{at}.baseline", approach.baseline, allowed)
        if not approach.trials:
            raise InputError(f"{at}.trials", approach.trials, "at least one trial is expected")
        for trial in approach.trials:
            approach.at(trial, f"{at}.trials")
        return approach

    def at(self, trial: Trial, where: str = "trial") -> "Approach":
        """This approach with a trial's values: its own fields, or those of its last stage or of
        that stage's method. Raises InputError for a name that is none of them.
        """
        chosen = self
        for name, value in trial.items():
            chosen = chosen._with(name, value, where)
        return chosen

    def _with(self, name: str, value: int | float, where: str) -> "Approach":
        if self.baseline is not None:
            known = {key for trial in BASELINES[self.baseline].trials for key in trial}
            if name not in known:
                raise InputError(where, name, choose_from(known, name))
            return replace(self, options={**self.options, name: value})
        own = ("template", "draw")
        if name in own:
            return replace(self, **{name: value})
        if not self.stages:
            raise InputError(where, name, choose_from(own, name))
        *before, last = self.stages
        of_stage = ("learning_rate", "weight_decay")
        of_method = [f.name for f in fields(last.method)]
        if name in of_stage:
            last = replace(last, **{name: value})
        elif name in of_method:
            last = replace(last, method=replace(last.method, **{name: value}))
        else:
            raise InputError(where, name, choose_from((*own, *of_stage, *of_method), name))
        return replace(self, stages=(*before, last))

    @property
    def methods(self) -> tuple[Method, ...]:
        """The method of every stage."""
        return tuple(stage.method for stage in self.stages)

    def plain(self, data=resolved) -> dict[str, Any]:
        """JSON data by `resolved` or `non_default`, without the trials; methods bear their name."""
        stages = [
            {**data(stage), "method": {"name": stage.method.name, **data(stage.method)}}
            for stage in self.stages
        ]
        return {**data(replace(self, trials=({},), stages=())), "stages": stages}


BASELINE_ROWS = tuple(
    Approach(name, baseline=name, trials=baseline.trials) for name, baseline in BASELINES.items()
)


def _stage(values: Any, schedule: Schedule, at: str) -> Stage:
    if not isinstance(values, Mapping):
        raise InputError(at, values, "a mapping with the field 'method' is expected")
    method = build_named(METHODS, values.get("method", {}), f"{at}.method", "name")
    own = values.get("schedule", {})
    if not isinstance(own, Mapping):
        raise InputError(f"{at}.schedule", own, "a mapping is expected")
    whole = build(Schedule, {**resolved(schedule), **own}, f"{at}.schedule")
    return build(Stage, {**values, "method": method, "schedule": whole}, at)
