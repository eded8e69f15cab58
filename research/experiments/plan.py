"""The plan of an experiment: its cells, and the runs each cell is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from research.common.config import non_default, resolved
from research.common.hashing import run_id
from research.experiments.approach import Approach, Trial
from research.experiments.experiment import Experiment
from research.experiments.seeds import Seeds, latin_square
from research.experiments.stage import Stage
from research.tasks.sampling import Regime
from research.tasks.task import Task, TaskSettings

# Raised by hand whenever the numbers of a run would change for the same settings.
CODE_VERSION = 5


@dataclass(frozen=True)
class CellPlan:
    """One approach on one task in one regime; `order` is its place among each of them.

    tasks: all tasks of the experiment by name, on which a stage may train.
    """

    experiment: Experiment
    approach: Approach
    task: Task
    tasks: Mapping[str, Task]
    task_settings: TaskSettings
    regime: Regime
    backbone_checksum: str
    order: Mapping[str, int]

    def task_of(self, stage: Stage) -> Task:
        """What a stage trains on."""
        return self.task if stage.task is None else self.tasks[stage.task]

    @property
    def trials(self) -> tuple[Trial, ...]:
        """What the approach tries on the task."""
        return self.approach.trials_on(self.task)

    def search(self) -> list["Run"]:
        """Every trial with the search seeds: what the choice on dev rests on."""
        seeds = range(self.experiment.search_seeds)
        return [Run(self, trial, seed) for trial in self.trials for seed in seeds]

    def final(self, trial: Trial) -> list["Run"]:
        """The chosen trial with all seeds: what test sees."""
        return [Run(self, trial, seed) for seed in range(self.experiment.seeds)]

    def crossed(self, trial: Trial) -> list["Run"]:
        """The chosen trial with seeds that differ by source, for the shares of the variance; test
        sees them as well. None for rows in which no source but the sample has a part.
        """
        seeds = latin_square(self.experiment.crossed_seeds)
        rows = map(self.approach.at, self.trials if seeds else ())
        if not any(row.stages or row.demonstrations for row in rows):
            return []
        return [Run(self, trial, own) for own in seeds if own != Seeds.alike(own.sample)]

    def tested(self, trial: Trial) -> list["Run"]:
        """All runs that see test once `trial` is chosen."""
        return [*self.final(trial), *self.crossed(trial)]

    def groups(self, trial: Trial) -> list[list["Run"]]:
        """All runs of the cell once `trial` is chosen: the search, further seeds, crossed seeds.
        No cohort has runs of two of these.
        """
        search = self.search()
        later = [run for run in self.final(trial) if run not in search]
        return [search, later, self.crossed(trial)]

    @property
    def size(self) -> int:
        """How many runs the cell takes in all."""
        extra = self.experiment.seeds - self.experiment.search_seeds
        crossed = len(self.crossed(self.trials[0]))
        return len(self.trials) * self.experiment.search_seeds + extra + crossed

    def __str__(self) -> str:
        return f"{self.approach.name}, {self.task.name}, {self.regime}"


@dataclass(frozen=True)
class Run:
    """A cell with one trial's values and one seed, or one for each source of randomness."""

    cell: CellPlan
    trial: Trial
    seed: int | Seeds

    @property
    def seeds(self) -> Seeds:
        """The seed of each source."""
        return self.seed if isinstance(self.seed, Seeds) else Seeds.alike(self.seed)

    @cached_property
    def approach(self) -> Approach:
        """The cell's approach with the trial's values."""
        return self.cell.approach.at(self.trial)

    @property
    def settings(self) -> dict[str, Any]:
        """What makes the run: settings that are not at their default, and checksums of inputs.

        Neither the other trials of its cell, nor devices, nor the results folder are in it.
        """
        experiment = self.cell.experiment
        made_of = {
            "code_version": CODE_VERSION,
            "task": {"name": self.cell.task.name, "checksum": self.cell.task.checksum},
            "regime": str(self.cell.regime),
            "approach": self.approach.plain(non_default),
            "seed": self.seeds.plain,
            "max_dev": experiment.max_dev,
            **self.approach.sources(),
        }
        elsewhere = {stage.task for stage in self.approach.stages if stage.task is not None}
        if elsewhere:
            tasks = self.cell.tasks
            made_of["stage_tasks"] = {name: tasks[name].checksum for name in sorted(elsewhere)}
        if self.approach.baseline is not None:
            return made_of
        return {
            **made_of,
            "backbone": self.cell.backbone_checksum,
            "too_long": experiment.too_long,
            "precision": experiment.precision,
            **experiment.cut_at,
        }

    @property
    def configuration(self) -> dict[str, Any]:
        """The whole resolved configuration, for people and for the table's order."""
        experiment = self.cell.experiment
        common = {
            name: resolved(getattr(experiment, name))
            for name in ("name", "backbone", "seeds", "search_seeds", "max_dev", "too_long")
        }
        return {
            **common,
            **experiment.crossed_at,
            "precision": experiment.precision,
            "max_tokens": experiment.max_tokens,
            "held_out": experiment.held_out,
            "devices": resolved(experiment.devices),
            "task": resolved(self.cell.task_settings),
            "approach": self.approach.plain(),
            "trials": resolved(self.cell.trials),
            "order": dict(self.cell.order),
        }

    @cached_property
    def id(self) -> str:
        return run_id(self.settings)


def cells(
    experiment: Experiment, tasks: Mapping[str, Task], backbone_checksum: str
) -> Iterator[CellPlan]:
    """All cells; those of one task and regime stand together, prompts and baselines first.

    tasks: the loaded task of each name.
    """
    for t, settings in enumerate(experiment.tasks):
        task = tasks[settings.name]
        rows = [row for row in enumerate(experiment.rows_on(settings.name)) if row[1].fits(task)]
        rows.sort(key=lambda row: bool(row[1].stages))
        for r, regime in enumerate(experiment.regimes):
            for a, approach in rows:
                yield CellPlan(
                    experiment,
                    approach,
                    task,
                    tasks,
                    settings,
                    Regime.parse(regime),
                    backbone_checksum,
                    {"approach": a, "task": t, "regime": r},
                )
