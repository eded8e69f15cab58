"""Estimates how long training takes: from stored records, or from a count of FLOPs."""

import statistics
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import bucket
from research.experiments.approach import Approach
from research.experiments.plan import CellPlan
from research.models.model import Model
from research.records.store import RunStore
from research.runs.costs.flops import method_step_flops
from research.runs.costs.parameter_counts import ParameterCounts
from research.runs.memo import Memo
from research.sweeps.data_report import READ
from research.tasks.task import Outline, Task

ASSUMED = 128  # tokens of a row whose text is not available
LABEL_TOKENS = 4  # tokens of a label and its end
ANSWER_TOKENS = 32  # tokens of an answer that is a text
SAMPLE = 200  # texts to take a mean length of

Key = tuple[str, str, str, tuple[tuple[int, int], ...]]  # see `key_of`


@dataclass(frozen=True)
class TimeEstimate:
    """Estimates the seconds of training a run.

    Attributes:
        model: the backbone's model.
        tokenizer: its tokenizer; None where it is not available, then rows have `ASSUMED` tokens.
        tasks: the tasks by name, or their outlines.
        flops: FLOPs per second.
        recorded: seconds of a run of a cell, where records have them.
        lengths: mean lengths that were computed already, by task and template.
    """

    model: Model
    tokenizer: Tokenizer | None
    tasks: Mapping[str, Task | Outline]
    flops: float
    recorded: Mapping[Key, float]
    lengths: Memo = field(default_factory=Memo)

    def seconds(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> float:
        """Seconds of all training steps of one run, without compilation and scoring."""
        recorded = self.recorded.get(key_of(cell))
        return self._flops(cell, approach, size) / self.flops if recorded is None else recorded

    def assumed(self) -> tuple[str, ...]:
        """The tasks whose texts are not available."""
        return tuple(name for name in self.tasks if not self._has_text(name))

    def _flops(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> float:
        total = 0.0
        for index, (stage, (leaves, trained)) in enumerate(
            zip(approach.stages, size.stages, strict=True)
        ):
            methods = approach.in_training(index, approach.at_work(index))
            template = approach.template if stage.template is None else stage.template
            name = stage.task or cell.task.name
            total += stage.schedule.steps * method_step_flops(
                leaves,
                trained,
                methods,
                self.model.ROUTE,
                rows=stage.schedule.batch_size,
                tokens=self._length(name, template),
                before=sum(method.positions for method in methods),
                shared=self.model.ROUTE == "causal",
                targets=self._targets(name),
            )
        return total

    def _has_text(self, name: str) -> bool:
        return self.tokenizer is not None and isinstance(self.tasks[name], Task)

    def _targets(self, name: str) -> int:
        return LABEL_TOKENS if self.tasks[name].labels else ANSWER_TOKENS

    def _length(self, name: str, template: int) -> int:
        """Mean tokens of a row of the task, padded as batches are."""
        task, tokenizer, context = self.tasks[name], self.tokenizer, self.model.config.context
        if tokenizer is None or not isinstance(task, Task):
            return min(ASSUMED, context or ASSUMED)

        def length() -> int:
            fill = task.templates[template].fill
            texts = [fill(example.fields)[:READ] for example in task.train[:SAMPLE]]
            ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
            mean = bucket(round(statistics.mean(map(len, ids))) + self._targets(name))  # pyright: ignore
            return min(mean, context or mean)

        return self.lengths((name, template), length)


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
    texts = [fill(example.fields) for example in task.train[:SAMPLE]]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    tokens = statistics.fmean(map(len, ids)) + (LABEL_TOKENS * len(task.labels) or ANSWER_TOKENS)  # pyright: ignore
    return min(tokens, context or tokens)
