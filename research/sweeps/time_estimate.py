"""Estimates the seconds of planned runs, from stored records or from a count of FLOPs."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import BUCKETS, bucket
from research.experiments.approach import Approach
from research.experiments.plan import CellPlan
from research.models.model import Model
from research.records.store import RunStore
from research.runs.costs.flops import method_step_flops
from research.runs.costs.parameter_counts import ParameterCounts
from research.runs.memo import Memo
from research.tasks.sampling import Regime
from research.tasks.task import Task
from research.tasks.task_settings import Outline
from research.training.batches import batch_indices

ASSUMED = 128  # tokens of a row whose text is not available
ASSUMED_ROWS = 1000  # rows of test of a task whose examples are not available
LABEL_TOKENS = 4  # tokens of a label and its end
ANSWER_TOKENS = 32  # tokens of an answer that is a text
SAMPLE = 2000  # texts whose lengths are measured
LONGEST = 8 * BUCKETS[-1]  # characters of a text that are read for its length
SCORING = 2.0  # rate of scoring relative to training: its batches are larger
STEPS = 64  # first steps of a schedule, whose batches stand for all

Key = tuple[str, str, str, tuple[tuple[int, int], ...]]  # see `key_of`


@dataclass(frozen=True)
class Machine:
    """The machine that executes the runs.

    Attributes:
        flops: FLOPs per second of a large matrix product, of one run.
        half_rate: number of parameters of a model whose steps reach half of `flops`.
        workers: number of runs at a time.
        busy: share of the workers' time that runs take.
        start: seconds until the first run begins.
        first_width: seconds to compile a program for the first width of rows, for each layer.
        further_width: the same for each further width, and for a prompt alone.
    """

    flops: float
    half_rate: float
    workers: int
    busy: float = 0.75
    start: float = 10.0
    first_width: float = 6.0
    further_width: float = 0.5

    def rate(self, parameters: int) -> float:
        """FLOPs per second of the steps of a model: small matrices take longer to start."""
        return self.flops * parameters / (parameters + self.half_rate)

    def compile_seconds(self, programs: int, widths: int) -> float:
        """Seconds of compilation for each layer of the model."""
        return self.first_width * programs + self.further_width * max(0, widths - programs)

    def wall_seconds(self, work: float) -> float:
        """Seconds of a sweep whose runs take `work` seconds, one after the other."""
        return self.start + work / (self.workers * self.busy)


class RunSeconds(NamedTuple):
    """Seconds of one run.

    Attributes:
        training: all training steps.
        scoring: scores on train and dev, in training and after it.
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
        tokenizer: its tokenizer; None where it is not available, then rows have `ASSUMED` tokens.
        tasks: the tasks by name, or their outlines.
        machine: the machine that executes the runs.
        max_dev: maximum number of dev examples.
        recorded: seconds of training a run of a cell, where records have them.
        lengths: lengths that were computed already, by task and template.
    """

    model: Model
    parameters: int
    tokenizer: Tokenizer | None
    tasks: Mapping[str, Task | Outline]
    machine: Machine
    max_dev: int
    recorded: Mapping[Key, float]
    lengths: Memo = field(default_factory=Memo)

    def seconds(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> RunSeconds:
        """Seconds of one run without compilation and early stopping."""
        rate = self.machine.rate(self.parameters)
        recorded = self.recorded.get(key_of(cell))
        training = self._training_flops(cell, approach, size) / rate if approach.stages else 0.0
        row = self._scoring_flops(cell, approach, size) / (SCORING * rate)
        return RunSeconds(
            training=training if recorded is None else recorded,
            scoring=self._scored_rows(cell, approach) * row,
            test=self._test_rows(cell) * row,
        )

    def widths(self, cell: CellPlan, approach: Approach) -> frozenset[tuple[int, int]]:
        """(stage, padded tokens of a batch) of the steps, each a program of its own."""
        return frozenset(
            (index, width)
            for index in range(len(approach.stages))
            for width in self._step_widths(cell, approach, index)
        )

    def assumed(self) -> tuple[str, ...]:
        """The tasks whose texts are not available."""
        return tuple(name for name in self.tasks if not self._has_text(name))

    def _training_flops(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> float:
        total = 0.0
        for index, (stage, (leaves, trained)) in enumerate(
            zip(approach.stages, size.stages, strict=True)
        ):
            methods = approach.in_training(index, approach.at_work(index))
            total += stage.schedule.steps * method_step_flops(
                leaves,
                trained,
                methods,
                self.model.ROUTE,
                rows=stage.schedule.batch_size,
                tokens=statistics.fmean(self._step_widths(cell, approach, index)),
                before=sum(method.positions for method in methods),
                shared=self.model.ROUTE == "causal",
                targets=self._targets(stage.task or cell.task.name),
            )
        return total

    def _scoring_flops(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> float:
        """FLOPs of a scored row: its prompt, then each label or the tokens of an answer."""
        name, methods = cell.task.name, approach.at_work()
        answers = self._targets(name) * max(1, len(self.tasks[name].labels))
        leaves = size.stages[-1][0] if size.stages else {}
        if not leaves:
            return 2.0 * self.parameters * (self._mean_width(name, approach.template) + answers)
        return method_step_flops(
            leaves,
            (),
            methods,
            self.model.ROUTE,
            rows=1,
            tokens=self._mean_width(name, approach.template) + answers,
            before=0,
            shared=True,
            targets=answers,
        )

    def _scored_rows(self, cell: CellPlan, approach: Approach) -> float:
        dev = min(self.max_dev, self._train_rows(cell, cell.regime))
        if not approach.stages:
            return dev
        schedules = [stage.schedule for stage in approach.stages]
        return dev * (2 + sum(schedule.steps // schedule.eval_every for schedule in schedules))

    def _test_rows(self, cell: CellPlan) -> int:
        task = self.tasks[cell.task.name]
        if not isinstance(task, Task):
            return ASSUMED_ROWS
        return sum(map(len, task.tests.values()))

    def _train_rows(self, cell: CellPlan, regime: Regime) -> int:
        task = self.tasks[cell.task.name]
        if regime.kind == "all":
            return len(task.train) if isinstance(task, Task) else ASSUMED_ROWS
        return regime.count * (max(1, len(task.labels)) if regime.kind == "shot" else 1)

    def _has_text(self, name: str) -> bool:
        return self.tokenizer is not None and isinstance(self.tasks[name], Task)

    def _targets(self, name: str) -> int:
        return LABEL_TOKENS if self.tasks[name].labels else ANSWER_TOKENS

    def _mean_width(self, name: str, template: int) -> float:
        return statistics.fmean(map(bucket, self._lengths(name, template)))

    def _step_widths(self, cell: CellPlan, approach: Approach, index: int) -> list[int]:
        """Padded tokens of the first steps of a stage, for the first seed."""
        stage = approach.stages[index]
        name = stage.task or cell.task.name
        template = approach.template if stage.template is None else stage.template
        regime = cell.regime if stage.regime is None else Regime.parse(stage.regime)
        size = stage.schedule.batch_size
        steps = min(stage.schedule.steps, STEPS)
        rows = max(1, self._train_rows(cell, regime))

        def widths() -> list[int]:
            lengths = self._lengths(name, template)
            lengths = np.resize(lengths, rows)
            chosen = [batch_indices(lengths, size, 0, step) for step in range(steps)]
            return [bucket(int(lengths[rows].max())) for rows in chosen]

        return self.lengths((name, template, rows, size, steps), widths)

    def _lengths(self, name: str, template: int) -> np.ndarray:
        """Tokens of the rows of train with their targets."""
        task, tokenizer, context = self.tasks[name], self.tokenizer, self.model.config.context
        limit = min(context or BUCKETS[-1], BUCKETS[-1])
        if tokenizer is None or not isinstance(task, Task):
            return np.array([min(ASSUMED, limit)])

        def lengths() -> np.ndarray:
            fill = task.templates[template].fill
            texts = [fill(example.fields)[:LONGEST] for example in task.train[:SAMPLE]]
            ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
            tokens = [len(row) + self._targets(name) for row in ids]  # pyright: ignore
            return np.minimum(tokens, limit)

        return self.lengths((name, template), lengths)


def key_of(cell: CellPlan) -> Key:
    """(approach, task, regime, (steps, batch size) of each stage): the key of recorded seconds."""
    schedules = (stage.schedule for stage in cell.approach.stages)
    work = tuple((schedule.steps, schedule.batch_size) for schedule in schedules)
    return cell.approach.name, cell.task.name, str(cell.regime), work


def recorded(folder: Path) -> dict[Key, float]:
    """Median seconds of training a run, from the records of a results folder."""
    seconds: dict[Key, list[float]] = defaultdict(list)
    for record in RunStore(folder).all():
        stages = record.configuration.stages
        work = tuple((stage.steps, stage.batch_size) for stage in stages)
        train_seconds = record.costs.train_seconds
        if train_seconds is not None:
            seconds[*record.cell, work].append(train_seconds)
    return {key: statistics.median(values) for key, values in seconds.items()}


def task_tokens(task: Task, tokenizer: Tokenizer, context: int | None) -> float:
    """Mean tokens of a row with its answers, from the first examples of train."""
    fill = task.templates[0].fill
    texts = [fill(example.fields)[:LONGEST] for example in task.train[:200]]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    tokens = statistics.fmean(map(len, ids)) + (LABEL_TOKENS * len(task.labels) or ANSWER_TOKENS)  # pyright: ignore
    return min(tokens, context or tokens)
