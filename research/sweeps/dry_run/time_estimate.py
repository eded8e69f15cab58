"""Estimates the seconds of planned runs, from stored records or from a count of FLOPs."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from research.experiments.approach import Approach
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.experiments.stage_sequence import methods_after, methods_during
from research.models.model import Model
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.runs.costs.flops import above_trunk, method_step_flops
from research.runs.costs.parameter_counts import ParameterCounts
from research.runs.stage_start import LEAST_PASSES
from research.sweeps.dry_run.machine import Machine
from research.sweeps.dry_run.sampled_rows import SampledRows
from research.sweeps.row_tokens import answer_tokens, target_tokens
from research.tasks.task import Task
from research.tasks.task_settings import Outline

SCORING = 2.0  # rate of scoring relative to training: its batches are larger

Key = tuple[str, str, str, tuple[tuple[int, int], ...]]  # see `key_of`


class RunSeconds(NamedTuple):
    """Seconds of one run.

    Attributes:
        training: all training steps.
        scoring: scores on dev, in training and after it, and on as many rows of train.
        test: scores on test.
    """

    training: float
    scoring: float
    test: float


@dataclass(frozen=True)
class TimeEstimate:
    """Estimates the seconds of a run.

    Attributes:
        model: the backbone's model.
        parameters: number of its parameters.
        rows: the rows of the tasks.
        machine: the machine that executes the runs.
        max_dev: maximum number of dev examples.
        recorded: seconds of training a run of a cell, where records have them.
        keeps_states: whether hidden states below the trained layers are computed once for each
            text; without sharing among runs.
    """

    model: Model
    parameters: int
    rows: SampledRows
    machine: Machine
    max_dev: int
    recorded: Mapping[Key, float]
    keeps_states: bool = True

    def seconds(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> RunSeconds:
        """Seconds of one run without compilation and early stopping."""
        rate = self.machine.rate(self.parameters)
        recorded = self.recorded.get(key_of(cell))
        training = self._training_flops(cell, approach, size) / rate if approach.stages else 0.0
        row = self._scoring_flops(cell, approach, size, False) / (SCORING * rate)
        again = self._scoring_flops(cell, approach, size, True) / (SCORING * rate)
        dev = self._dev_rows(cell)
        return RunSeconds(
            training=training if recorded is None else recorded,
            scoring=dev * row + (self._scored_rows(cell, approach) - dev) * again,
            test=self.rows.test(cell.task.name) * row,
        )

    def widths(self, cell: CellPlan, approach: Approach) -> frozenset[tuple[int, int]]:
        """(stage, padded tokens of a batch) of the steps, each a program of its own."""
        return frozenset(
            (index, width)
            for index in range(len(approach.stages))
            for width in self.rows.step_widths(cell, approach, index)
        )

    def _training_flops(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> float:
        total = 0.0
        for index, (stage, (leaves, trained)) in enumerate(
            zip(approach.stages, size.stages, strict=True)
        ):
            methods = methods_during(stage, methods_after(approach.stages[:index]))
            rows, read = stage.schedule.batch_size, above_trunk(leaves, trained)
            texts = self.rows.train(cell.task.name, cell.regime)
            many = stage.schedule.steps * rows >= LEAST_PASSES * texts
            keeps = self.keeps_states and many and not stage.schedule.dropout
            step = partial(
                method_step_flops,
                trained=trained,
                methods=methods,
                route=self.model.ROUTE,
                rows=rows,
                tokens=statistics.fmean(self.rows.step_widths(cell, approach, index)),
                before=sum(method.positions for method in methods),
                shared=self.model.ROUTE == "causal",
                targets=target_tokens(cell.task_of(stage).labels),
            )
            total += stage.schedule.steps * step(read if keeps else leaves)
            if keeps and read is not leaves:  # each text once
                total += texts / rows * (step(leaves) - step(read))
        return total

    def _scoring_flops(
        self, cell: CellPlan, approach: Approach, size: ParameterCounts, again: bool
    ) -> float:
        """FLOPs of a scored row: its prompt, then each label or the tokens of an answer.

        Args:
            cell: of the run.
            approach: of the run.
            size: its parameters.
            again: whether the row was scored before, so that its states are kept.
        """
        targets = answer_tokens(cell.task.labels)
        tokens = self.rows.mean_width(cell.task.name, approach.template) + targets
        leaves, trained = size.stages[-1] if size.stages else ({}, frozenset())
        if not leaves:
            return 2.0 * self.parameters * tokens
        if again and self.keeps_states:
            leaves = above_trunk(leaves, trained)
        return method_step_flops(
            leaves,
            (),
            methods_after(approach.stages),
            self.model.ROUTE,
            rows=1,
            tokens=tokens,
            before=0,
            shared=True,
            targets=targets,
        )

    def _dev_rows(self, cell: CellPlan) -> float:
        return min(self.max_dev, self.rows.train(cell.task.name, cell.regime))

    def _scored_rows(self, cell: CellPlan, approach: Approach) -> float:
        dev = self._dev_rows(cell)
        if not approach.stages:
            return dev
        schedules = [stage.schedule for stage in approach.stages]
        return dev * (2 + sum(schedule.steps // schedule.eval_every for schedule in schedules))


def key_of(cell: CellPlan) -> Key:
    """(approach, task, regime, (steps, batch size) of each stage): the key of recorded seconds."""
    schedules = (stage.schedule for stage in cell.approach.stages)
    work = tuple((schedule.steps, schedule.batch_size) for schedule in schedules)
    return cell.approach.name, cell.task.name, str(cell.regime), work


def recorded_seconds(
    folder: Path, experiment: Experiment, tasks: Mapping[str, Task | Outline]
) -> dict[Key, float]:
    """Median seconds of training a run, from the records of a results folder.

    Records of another backbone, other examples or another precision or length do not count.

    Args:
        folder: the results folder.
        experiment: the planned experiment.
        tasks: its tasks by name.
    """
    seconds: dict[Key, list[float]] = defaultdict(list)
    for record in RunStore(folder).all():
        if not _alike(record, experiment, tasks.get(record.task)):
            continue
        stages = record.configuration.stages
        work = tuple((stage.steps, stage.batch_size) for stage in stages)
        train_seconds = record.costs.train_seconds
        if train_seconds is not None:
            seconds[*record.cell, work].append(train_seconds - record.costs.trunk_seconds)
    return {key: statistics.median(values) for key, values in seconds.items()}


def _alike(record: RunRecord, experiment: Experiment, task: Task | Outline | None) -> bool:
    """Whether a run had the backbone and the inputs of the experiment."""
    of_run, settings = record.configuration, record.settings
    same_task = not isinstance(task, Task) or settings["task"]["checksum"] == task.checksum
    names = ("backbone", "precision", "max_tokens")
    return same_task and all(getattr(of_run, n) == getattr(experiment, n) for n in names)
