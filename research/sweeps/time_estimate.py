"""How long the training of runs would take: by records on hand, or by counting operations."""

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
from research.runs.costs.flops import route_flops, step_flops
from research.runs.costs.parameter_counts import ParameterCounts
from research.tasks.task import Outline, Task

ASSUMED = 128  # tokens of a row whose text is not at hand
TARGETS = 4  # tokens of a label and its end
WRITTEN = 32  # tokens of a text that is an answer
SAMPLE = 200  # texts that a mean length is taken of

Key = tuple[str, str, str, tuple[tuple[int, int], ...]]  # see `key_of`


@dataclass(frozen=True)
class TimeEstimate:
    """flops: operations a second. recorded: the seconds of a run of a cell, where they are known.
    tokenizer: None where there is none at hand; then rows have `ASSUMED` tokens.
    """

    model: Model
    tokenizer: Tokenizer | None
    tasks: Mapping[str, Task | Outline]
    flops: float
    recorded: Mapping[Key, float]
    lengths: dict[tuple[str, int], int] = field(default_factory=dict)

    def seconds(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> float:
        """Of one run's training, all steps done; compiling and scoring are left out."""
        found = self.recorded.get(key_of(cell))
        return self._operations(cell, approach, size) / self.flops if found is None else found

    def assumed(self) -> tuple[str, ...]:
        """The tasks whose texts are not at hand."""
        return tuple(name for name in self.tasks if not self._has_text(name))

    def _operations(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> float:
        total = 0.0
        for index, (stage, trains) in enumerate(zip(approach.stages, size.stages, strict=True)):
            methods = approach.in_training(index, approach.at_work(index))
            template = approach.template if stage.template is None else stage.template
            rows, soft = stage.schedule.batch_size, sum(method.positions for method in methods)
            # A causal model meets what stands before all rows once, the others with every row.
            before = soft / rows if self.model.ROUTE == "causal" else soft
            name = stage.task or cell.task.name
            tokens = self._length(name, template) + before
            targets, asking = route_flops(self.model.ROUTE, methods, self._targets(name))
            total += stage.schedule.steps * step_flops(*trains, rows, tokens, targets, asking)
        return total

    def _has_text(self, name: str) -> bool:
        return self.tokenizer is not None and isinstance(self.tasks[name], Task)

    def _targets(self, name: str) -> int:
        return TARGETS if self.tasks[name].labels else WRITTEN

    def _length(self, name: str, template: int) -> int:
        """Tokens of a row of the task: the mean of some, padded as batches are."""
        task = self.tasks[name]
        if self.tokenizer is None or not isinstance(task, Task):
            return min(ASSUMED, self.model.config.context or ASSUMED)
        if (name, template) not in self.lengths:
            fill = task.templates[template].fill
            texts = [fill(example.fields) for example in task.train[:SAMPLE]]
            ids = self.tokenizer(texts, add_special_tokens=False)["input_ids"]
            mean = bucket(round(statistics.mean(map(len, ids))) + self._targets(name))  # pyright: ignore
            self.lengths[name, template] = min(mean, self.model.config.context or mean)
        return self.lengths[name, template]


def key_of(cell: CellPlan) -> Key:
    """(approach, task, regime, steps and batch size of each stage): what records are found by."""
    schedules = (stage.schedule for stage in cell.approach.stages)
    work = tuple((schedule.steps, schedule.batch_size) for schedule in schedules)
    return cell.approach.name, cell.task.name, str(cell.regime), work


def recorded(folder: Path) -> dict[Key, float]:
    """Seconds that training a run took, in the median, by the records of a results folder."""
    found: dict[Key, list[float]] = defaultdict(list)
    for record in RunStore(folder).all():
        schedules = [
            stage["schedule"] for stage in record["configuration"]["approach"].get("stages", ())
        ]
        work = tuple((schedule["steps"], schedule["batch_size"]) for schedule in schedules)
        seconds = record["costs"].get("train_seconds")
        if seconds is not None:
            found[record["approach"], record["task"], record["regime"], work].append(seconds)
    return {key: statistics.median(values) for key, values in found.items()}
