"""A row of the table: a prompt, the stages it trains in, and the trials it gets on dev."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from research.common.config import build, changed, resolved
from research.common.errors import InputError, choose_from
from research.evaluation.baselines import BASELINES
from research.experiments.prompt import PROMPT, Prompt, PromptSearch
from research.experiments.stage import Stage, parse_stage, plain_stage, stage_with
from research.methods.method import Method
from research.models.checkpoint.files import files_checksum
from research.tasks.task import Task
from research.training.optimizer import Schedule

Trial = Mapping[str, int | float | str]

EVERY_STAGE = "stages."  # before the name of a trial's value that all stages take


@dataclass(frozen=True)
class Approach(Prompt):
    """name: of the row. stages: what trains, one after the other; none for a prompt. baseline: a
    row without the backbone, with its options. trials: the values tried on dev, by field name, or
    `templates`: each of the task's, or a search through prompts; one is chosen.
    Raises InputError for values that make no approach.
    """

    name: str
    stages: tuple[Stage, ...] = ()
    baseline: str | None = None
    options: Mapping[str, float] = field(default_factory=dict)
    trials: tuple[Trial, ...] | Literal["templates"] | PromptSearch = field(
        default=({},), compare=False
    )

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InputError("name", self.name, "a row needs a name")
        super().__post_init__()
        if self.ensemble > 1 and self.stages:
            raise InputError("ensemble", self.ensemble, "an ensemble is of prompts, without stages")
        if self.baseline is not None:
            self._check_baseline()
        elif self.options:
            raise InputError("options", dict(self.options), "only a baseline has options")
        self._check_merges()
        self._check_heads()

    def _check_baseline(self) -> None:
        if self.baseline not in BASELINES:
            allowed = choose_from(BASELINES, str(self.baseline))
            raise InputError("baseline", self.baseline, allowed)
        if self.stages or self.demonstrations:
            raise InputError("baseline", self.baseline, "it has no stages and no demonstrations")
        for name in self.options:
            if name not in _options(self.baseline):
                raise InputError("options", name, choose_from(_options(self.baseline), name))

    def _check_merges(self) -> None:
        merged: set[str] = set()
        for stage in self.stages:
            names = {method.name for method in stage.methods}
            if again := sorted(names & merged):
                raise InputError("stages", again[0], "it was merged by an earlier stage")
            merged |= names if stage.merge else set()

    def _check_heads(self) -> None:
        lent = [stage.task for stage in self.stages if stage.lends_head]
        last = self.stages[-1] if self.stages else None
        if lent and last and (last.lends_head or not last.has_head):
            allowed = "a head has the classes of one task; the last stage needs one of its own"
            raise InputError("stages.task", lent[0], allowed)

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
            parse_stage(stage, schedule, f"{at}.stages[{i}]") for i, stage in enumerate(stages)
        )
        values = {**values, "stages": parsed}
        if isinstance(values.get("trials"), Mapping):
            values["trials"] = build(PromptSearch, values["trials"], f"{at}.trials")
        approach = build(cls, values, at)
        if not isinstance(approach.trials, tuple):
            approach.check_choice(at)
            return approach
        if not approach.trials:
            raise InputError(f"{at}.trials", approach.trials, "at least one trial is expected")
        tried = [approach.at(trial, f"{at}.trials") for trial in approach.trials]
        for one, trial in zip(tried, approach.trials, strict=True):
            one.check_choice(at)
            if tried.count(one) > 1:
                raise InputError(f"{at}.trials", trial, "each trial may stand there once")
        return approach

    def fits(self, task: Task) -> bool:
        """Whether it can answer the task: a baseline either chooses a label or writes a text."""
        return self.baseline is None or BASELINES[self.baseline].writes == (not task.labels)

    def trials_on(self, task: Task) -> tuple[Trial, ...]:
        """The trials it gets on a task."""
        if isinstance(self.trials, PromptSearch):
            return self.trials.trials(len(task.templates), self.drawn)
        if isinstance(self.trials, str):
            return tuple(dict(template=i) for i in range(len(task.templates)))
        return self.trials

    def at(self, trial: Trial, where: str = "trial") -> "Approach":
        """This approach with a trial's values: its own fields, or those of its last stage or of
        that stage's methods; after `stages.` those of all stages. Raises InputError for a name
        that is none of them.
        """
        chosen = self
        for name, value in trial.items():
            chosen = chosen._with(name, value, where)
        return chosen

    def _with(self, name: str, value: int | float | str, where: str) -> "Approach":
        if self.baseline is not None:
            return changed(self, "options", {**self.options, name: value}, where)
        if name in PROMPT:
            return changed(self, name, value, where)
        if not self.stages:
            raise InputError(where, name, choose_from(PROMPT, name))
        everywhere = name.startswith(EVERY_STAGE)
        before, chosen = ((), self.stages) if everywhere else (self.stages[:-1], self.stages[-1:])
        name = name.removeprefix(EVERY_STAGE)
        return replace(
            self, stages=(*before, *(stage_with(stage, name, value, where) for stage in chosen))
        )

    def at_work(self, stages: int | None = None) -> tuple[Method, ...]:
        """The methods that the first `stages` leave behind, None for all: each as it last trained,
        without those that were merged and the heads of other tasks.
        """
        methods: tuple[Method, ...] = ()
        for index, stage in enumerate(self.stages[:stages]):
            methods = self.in_training(index, methods)
            if stage.merge:
                methods = tuple(method for method in methods if method.is_head)
            if stage.lends_head:
                methods = tuple(method for method in methods if not method.is_head)
        return methods

    def in_training(self, index: int, before: tuple[Method, ...]) -> tuple[Method, ...]:
        """The methods at work while stage `index` trains after `before`; its own go last."""
        own = self.stages[index].methods
        names = {method.name for method in own}
        return (*(method for method in before if method.name not in names), *own)

    def sources(self, stages: int | None = None) -> dict[str, str]:
        """{"sources": a checksum of the files that methods of the first `stages` start from}; empty
        if there are none. Raises InputError for a file that is not there.
        """
        methods = [method for stage in self.stages[:stages] for method in stage.methods]
        files = [file for method in methods for file in method.sources]
        return {"sources": files_checksum(files)} if files else {}

    def plain(self, data=resolved) -> dict[str, Any]:
        """JSON data by `resolved` or `non_default`, without the trials; methods bear their name."""
        stages = [plain_stage(stage, data) for stage in self.stages]
        return {**data(replace(self, trials=({},), stages=())), "stages": stages}


BASELINE_ROWS = tuple(
    Approach(name, baseline=name, trials=baseline.trials) for name, baseline in BASELINES.items()
)


def _options(baseline: str) -> set[str]:
    return {name for trial in BASELINES[baseline].trials for name in trial}
