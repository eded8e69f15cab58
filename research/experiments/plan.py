"""A cell of an experiment and its runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from research.common.config import non_default
from research.common.hashing import canonical, run_id, sha256
from research.experiments.approach import Approach, Trial
from research.experiments.backbone_names import backbone_labels, row_name
from research.experiments.experiment import Experiment
from research.experiments.seeds import Seeds, latin_square
from research.experiments.stage import Stage
from research.experiments.stage_sequence import methods_after
from research.experiments.trials import trials_on
from research.tasks.sampling import Regime
from research.tasks.task import Task
from research.tasks.task_settings import TaskSettings

# Increased by hand whenever a run with the same settings would give other numbers.
CODE_VERSION = 6


@dataclass(frozen=True)
class CellPlan:
    """One approach with one backbone on one task in one regime.

    Attributes:
        experiment: the experiment, or its part with this backbone.
        approach: the approach.
        task: the task that it is scored on.
        tasks: all tasks of the experiment by name; a stage may train on any of them.
        task_settings: the settings of the task, for the record.
        regime: the amount of training data.
        backbone_checksum: checksum of the backbone's weights and configuration.
        order: position of the cell among approaches, tasks and regimes.
        scorings: the ways to score the task's labels that dev chooses from, see `scorings`.
        chat_scorings: the same for chat prompts.
        chat_template: the tokenizer's chat template; None without one, or without a decoder.
    """

    experiment: Experiment
    approach: Approach
    task: Task
    tasks: Mapping[str, Task]
    task_settings: TaskSettings
    regime: Regime
    backbone_checksum: str
    order: Mapping[str, int]
    scorings: tuple[Trial, ...] = ()
    chat_scorings: tuple[Trial, ...] = ()
    chat_template: str | None = None

    def task_of(self, stage: Stage) -> Task:
        """The task that a stage trains on."""
        return self.task if stage.task is None else self.tasks[stage.task]

    @cached_property
    def _runs(self) -> dict[tuple[str, int], "Run"]:
        return {}

    def _run(self, trial: Trial, seed: int) -> "Run":
        """The run of a trial and a seed, always the same object, whose id is computed once."""
        return self._runs.setdefault((canonical(trial), seed), Run(self, trial, seed))

    @cached_property
    def trials(self) -> tuple[Trial, ...]:
        """The trials of the approach on the task."""
        chat_scorings = self.scorings if self.chat_template is None else self.chat_scorings
        return trials_on(self.approach, self.task, self.scorings, chat_scorings)

    def search(self) -> list["Run"]:
        """Every trial with the search seeds; their dev scores choose the trial."""
        seeds = range(self.experiment.search_seeds)
        return [self._run(trial, seed) for trial in self.trials for seed in seeds]

    def final(self, trial: Trial) -> list["Run"]:
        """The chosen trial with all seeds; these runs are evaluated on test."""
        return [self._run(trial, seed) for seed in range(self.experiment.seeds)]

    def crossed(self, trial: Trial) -> list["Run"]:
        """The chosen trial with seeds that differ by source, for the components of the variance.

        These runs are evaluated on test too. Empty if the sample is the only source of randomness.
        """
        seeds = latin_square(self.experiment.crossed_seeds)
        rows = map(self.approach.at, self.trials if seeds else ())
        if not any(row.stages or row.demonstrations for row in rows):
            return []
        return [Run(self, trial, s) for s in seeds if s != Seeds.alike(s.sample)]

    def tested(self, trial: Trial) -> list["Run"]:
        """All runs that are evaluated on test if `trial` is chosen."""
        return [*self.final(trial), *self.crossed(trial)]

    def groups(self, trial: Trial) -> list[list["Run"]]:
        """All runs of the cell if `trial` is chosen: the search, further seeds, crossed seeds.

        No cohort has runs of two groups.
        """
        search = self.search()
        later = [run for run in self.final(trial) if run not in search]
        return [search, later, self.crossed(trial)]

    @property
    def compared_backbone(self) -> str | None:
        """The backbone, where the experiment has several; None for a baseline, which uses none."""
        several = self.experiment.backbones and self.approach.uses_backbone
        return self.experiment.backbone if several else None

    @property
    def row(self) -> str:
        """The name of the row: the approach, and its backbone where there are several."""
        labels = backbone_labels(self.experiment.backbones)
        return row_name(self.approach.name, labels.get(self.compared_backbone or ""))

    @property
    def key(self) -> tuple[str, str, str]:
        """Row, task and regime."""
        return self.row, self.task.name, str(self.regime)

    @property
    def size(self) -> int:
        """Number of runs of the cell."""
        return sum(map(len, self.groups(self.trials[0])))

    def __str__(self) -> str:
        return ", ".join(self.key)


@dataclass(frozen=True)
class Run:
    """One run: a cell with one trial and one seed.

    Attributes:
        cell: the cell.
        trial: values of the trial.
        seed: one number, or a number for each source of randomness.
    """

    cell: CellPlan
    trial: Trial
    seed: int | Seeds

    @property
    def seeds(self) -> Seeds:
        """The seed of each source of randomness."""
        return self.seed if isinstance(self.seed, Seeds) else Seeds.alike(self.seed)

    @cached_property
    def approach(self) -> Approach:
        """The cell's approach with the values of the trial."""
        approach = self.cell.approach.at(self.trial)
        if not approach.uses_backbone:
            return approach
        head = any(method.is_head for method in methods_after(approach.stages))
        return approach.with_layout(self.cell.chat_template is not None and not head)

    @property
    def chat_settings(self) -> dict[str, str]:
        """Checksum of the chat template by its name, for chat prompts."""
        if (template := self.cell.chat_template) is None or not self.approach.chat:
            return {}
        return {"chat_template": sha256(template.encode())}

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that determine the run: those that are not default, and input checksums.

        The other trials of its cell, the devices and the results folder are not among them.
        """
        experiment = self.cell.experiment
        settings = {
            "code_version": CODE_VERSION,
            "task": {"name": self.cell.task.name, "checksum": self.cell.task.checksum},
            "regime": str(self.cell.regime),
            "approach": self.approach.plain(non_default),
            "seed": self.seeds.plain,
            "max_dev": experiment.max_dev,
            **self.approach.sources(),
        }
        tasks = self.cell.tasks
        if others := {s.task for s in self.approach.stages if s.task is not None}:
            settings["stage_tasks"] = {name: tasks[name].checksum for name in sorted(others)}
        if not self.approach.uses_backbone:
            return {**settings, **self.approach.answers_checksum(self.cell.task, self.cell.regime)}
        return {
            **settings,
            "backbone": self.cell.backbone_checksum,
            "too_long": experiment.too_long,
            "precision": experiment.precision,
            **experiment.input_settings,
            **self.chat_settings,
        }

    @cached_property
    def id(self) -> str:
        """A hash of the settings."""
        return run_id(self.settings)
