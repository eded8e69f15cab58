"""An approach, one row of the results table: a prompt, training stages and trials."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from research.common.config import changed, resolved
from research.common.errors import InputError, choose_from, name_list
from research.evaluation.answer_sources import ANSWER_SOURCES
from research.evaluation.answer_sources.answers_file import AnswersFile
from research.evaluation.answer_sources.endpoint import Endpoint
from research.evaluation.baselines import BASELINES
from research.experiments.prompt import PROMPT, Prompt
from research.experiments.prompt_search import PromptSearch
from research.experiments.stage import Stage, plain_stage, stage_with
from research.experiments.stage_sequence import check_stages
from research.models.checkpoint.files import files_checksum
from research.tasks.sampling import Regime
from research.tasks.task import Task

Trial = Mapping[str, int | float | str | bool]

LEARNING_RATES = "learning_rates"  # trials with the rates of the methods
EVERY_STAGE = "stages."  # prefix of a trial's field that is set in all stages
TRIED = ("model",)  # fields of an endpoint that a trial may set


@dataclass(frozen=True)
class Approach(Prompt):
    """An approach, one row of the results table; the fields of the prompt come first.

    Attributes:
        name: name of the row.
        stages: training stages, one after the other; none for an approach that only prompts.
        baseline: name of a baseline, which does not use the backbone; None for all others.
        options: options of the baseline.
        answers: a file with the answers of an external model, in place of the backbone.
        endpoint: an OpenAI-compatible server that is asked in place of the backbone.
        scoring: how labels are scored without training. `dev`: every trial that sets neither
            `target_end` nor `normalisation` runs with each of the task's `scorings`, and dev
            selects. `fixed`: by these two fields. Not part of a run's id.
        trials: values to select from on dev, by field name; or `templates`, for each template of
            the task; or `learning_rates`, for each rate of the last stage's methods; or a search
            over prompts. See `research.experiments.trials`.

    Raises InputError for invalid values.
    """

    name: str
    stages: tuple[Stage, ...] = ()
    baseline: str | None = None
    options: Mapping[str, float] = field(default_factory=dict)
    answers: AnswersFile | None = None
    endpoint: Endpoint | None = None
    scoring: Literal["dev", "fixed"] = field(default="dev", compare=False)
    trials: tuple[Trial, ...] | Literal["templates", "learning_rates"] | PromptSearch = field(
        default=({},), compare=False
    )

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InputError("name", self.name, "a row needs a name")
        super().__post_init__()
        if self.ensemble > 1 and self.stages:
            raise InputError(
                "ensemble", self.ensemble, "an ensemble consists of prompts, without stages"
            )
        if self.baseline is not None:
            self._check_baseline()
        elif self.options:
            raise InputError("options", dict(self.options), "only a baseline has options")
        self._check_external()
        check_stages(self.stages)

    def _check_baseline(self) -> None:
        if self.baseline not in BASELINES:
            allowed = choose_from(BASELINES, str(self.baseline))
            raise InputError("baseline", self.baseline, allowed)
        if self.stages or self.demonstrations:
            raise InputError("baseline", self.baseline, "it has no stages and no demonstrations")
        if self.constrained:
            raise InputError("constrained", True, "a baseline does not decode")
        for name in self.options:
            if name not in _options(self.baseline):
                raise InputError("options", name, choose_from(_options(self.baseline), name))

    def _check_external(self) -> None:
        """Raises InputError for several answer sources, and for fields that one does not use."""
        names = [name for name in ANSWER_SOURCES if getattr(self, name) is not None]
        if len(names) > 1:
            value = resolved(getattr(self, names[1]))
            raise InputError(names[1], value, f"a row has one of {name_list(ANSWER_SOURCES)}")
        if self.external is None:
            return
        used = self.external.prompt_fields
        unused = [name for name in self.changed_among(PROMPT) if name not in used]
        unused += ["stages"] if self.stages else []
        unused += ["trials"] if self.trials != ({},) and not used else []
        if unused:
            value = resolved(getattr(self, unused[0]))
            raise InputError(unused[0], value, f"a row with {names[0]} does not use this field")
        if self.demonstrations == "fit":
            allowed = "a number is expected, since the context of an external model is not known"
            raise InputError("demonstrations", "fit", allowed)

    def check_demonstrated(self, path: str) -> None:
        """Raises InputError for fields that have an effect only with demonstrations or training."""
        self.check_choice(path)
        if self.rationale and not self.stages and self.demonstrations == 0:
            allowed = "without demonstrations and training nothing would have a rationale"
            raise InputError(f"{path}.rationale", True, allowed)

    def fits(self, task: Task) -> bool:
        """Whether it can answer the task; a baseline chooses labels, writes texts, or chooses
        among an item's own choices.
        """
        if self.baseline is None:
            return True
        answers = "label" if task.labels else "choice" if task.is_scored else "text"
        return BASELINES[self.baseline].answers == answers

    @property
    def external(self) -> AnswersFile | Endpoint | None:
        """The external model that answers; None for a row that has none."""
        return self.answers or self.endpoint

    @property
    def uses_backbone(self) -> bool:
        """Whether the backbone answers; else a baseline or an external model does."""
        return self.baseline is None and self.external is None

    def at(self, trial: Trial, path: str = "trial") -> "Approach":
        """The approach with the values of a trial.

        A value sets a field of the prompt, of the endpoint, of the last stage or of that stage's
        methods; after `stages.` the field of all stages. Raises InputError for an unknown field.
        """
        approach = self
        for name, value in trial.items():
            approach = approach._with(name, value, path)
        return approach

    def _with(self, name: str, value: int | float | str | bool, path: str) -> "Approach":
        if self.baseline is not None:
            return changed(self, "options", {**self.options, name: value}, path)
        if self.endpoint is not None and name in TRIED:
            return replace(self, endpoint=changed(self.endpoint, name, value, f"{path}.endpoint"))
        if name in PROMPT:
            return changed(self, name, value, path)
        if not self.stages:
            names = (*self.endpoint.prompt_fields, *TRIED) if self.endpoint else PROMPT
            raise InputError(path, name, choose_from(names, name))
        everywhere = name.startswith(EVERY_STAGE)
        first = 0 if everywhere else len(self.stages) - 1
        name = name.removeprefix(EVERY_STAGE)
        changed_stages = (stage_with(stage, name, value, path) for stage in self.stages[first:])
        return replace(self, stages=(*self.stages[:first], *changed_stages))

    def sources(self, stages: int | None = None) -> dict[str, str]:
        """{"sources": checksum of the files that the methods of the first `stages` start from}.

        Empty if there are no such files. Raises InputError for a missing file.
        """
        methods = [method for stage in self.stages[:stages] for method in stage.methods]
        files = [file for method in methods for file in method.sources]
        return {"sources": files_checksum(files)} if files else {}

    def answers_checksum(self, task: Task, regime: Regime) -> dict[str, str]:
        """{"answers": checksum of the file of answers}; empty if the row has no such file.

        Raises InputError for a missing file.
        """
        return {"answers": self.answers.checksum(task, str(regime))} if self.answers else {}

    def plain(self, data=resolved) -> dict[str, Any]:
        """JSON data by `resolved` or `non_default`, with method names and without trials."""
        stages = [plain_stage(stage, data) for stage in self.stages]
        endpoint = None if self.endpoint is None else self.endpoint.of_record
        row = replace(self, scoring="dev", trials=({},), stages=(), endpoint=endpoint)
        return {**data(row), "stages": stages}


BASELINE_ROWS = tuple(
    Approach(name, baseline=name, trials=baseline.trials) for name, baseline in BASELINES.items()
)


def _options(baseline: str) -> set[str]:
    return {name for trial in BASELINES[baseline].trials for name in trial}
