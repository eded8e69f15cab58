"""Number and lengths of the rows of a plan's tasks."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import BUCKETS, bucket, padded_width
from research.evaluation.widths import ProgramCost
from research.experiments.approach import Approach
from research.experiments.plan import CellPlan
from research.runtime.memo import Memo
from research.sweeps.row_tokens import prompt_tokens, target_tokens, tokens_per_second
from research.tasks.sampling import Regime
from research.tasks.task import Task
from research.tasks.task_settings import Outline
from research.training.batches import Stream, batch_indices, training_widths

ASSUMED = 128  # tokens of a row whose text is not available
ASSUMED_ROWS = 1000  # rows of a task whose examples are not available
TOKENIZED = 5e5  # tokens per second, where there is no tokenizer or no text
SAMPLE = 2000  # texts whose lengths are measured
STEPS = 64  # first steps of a schedule, whose batches stand for all


@dataclass(frozen=True)
class SampledRows:
    """The rows of tasks.

    Attributes:
        tasks: the tasks by name, or their outlines.
        tokenizer: of the backbone; None where it is not available, then rows have `ASSUMED` tokens.
        context: maximum tokens of a row; None for no limit.
        step_cost: cost of a training step of the backbone; None for a small one.
        lengths: lengths and widths that were computed already.
    """

    tasks: Mapping[str, Task | Outline]
    tokenizer: Tokenizer | None
    context: int | None
    step_cost: ProgramCost | None = None
    lengths: Memo = field(default_factory=Memo)

    def test(self, name: str) -> int:
        """Number of test rows of a task, of all test splits."""
        task = self.tasks[name]
        return sum(map(len, task.tests.values())) if isinstance(task, Task) else ASSUMED_ROWS

    def train(self, name: str, regime: Regime) -> int:
        """Number of training rows of a task in a regime."""
        task = self.tasks[name]
        if regime.kind == "all":
            return len(task.train) if isinstance(task, Task) else ASSUMED_ROWS
        return regime.count * (max(1, len(task.labels)) if regime.kind == "shot" else 1)

    def assumed(self) -> tuple[str, ...]:
        """The tasks whose texts are not available."""
        return tuple(
            name
            for name, task in self.tasks.items()
            if self.tokenizer is None or not isinstance(task, Task)
        )

    def mean_width(self, name: str, template: int) -> float:
        """Mean of the padded tokens of a row."""

        def mean() -> float:
            return statistics.fmean(map(bucket, self._lengths(name, template)))

        return self.lengths((name, template, "mean width"), mean)

    def prompt_width(self, name: str) -> int:
        """Padded tokens of the longest prompt of the first template."""
        longest = int(self._lengths(name, 0).max()) - target_tokens(self.tasks[name].labels)
        return bucket(max(1, longest))

    @property
    def limit(self) -> int:
        """Maximum tokens of a row."""
        return min(self.context or BUCKETS[-1], BUCKETS[-1])

    def mean_tokens(self, name: str, template: int) -> float:
        """Mean tokens of a row with its target."""
        return float(self._lengths(name, template).mean())

    def tokens_per_second(self) -> float:
        """Measured tokens per second of the tokenizer, on the prompts of the first task."""
        task = next(iter(self.tasks.values()))
        if self.tokenizer is None or not isinstance(task, Task):
            return TOKENIZED
        return tokens_per_second(task, self.tokenizer)

    def step_widths(self, cell: CellPlan, approach: Approach, index: int) -> list[int]:
        """Padded tokens of the first steps of stage `index`, for the first seed."""
        stage = approach.stages[index]
        name = stage.task or cell.task.name
        template = approach.template if stage.template is None else stage.template
        regime = cell.regime if stage.regime is None else Regime.parse(stage.regime)
        schedule = stage.schedule
        size, steps = schedule.batch_size, min(schedule.steps, STEPS)
        rows = max(1, self.train(name, regime))

        def widths() -> list[int]:
            lengths = np.resize(self._lengths(name, template), rows)
            batches = [batch_indices(lengths, size, 0, step) for step in range(steps)]
            chosen = training_widths(self.step_cost, [Stream(0, lengths, lengths)], schedule)
            return [padded_width(int(lengths[batch].max()), chosen) for batch in batches]

        return self.lengths((name, template, rows, size, schedule.steps), widths)

    def _lengths(self, name: str, template: int) -> np.ndarray:
        """Tokens of the rows of train with their targets."""
        task, tokenizer = self.tasks[name], self.tokenizer
        if tokenizer is None or not isinstance(task, Task):
            return np.array([min(ASSUMED, self.limit)])

        def lengths() -> np.ndarray:
            tokens = np.array(prompt_tokens(task, template, tokenizer, SAMPLE))
            return np.minimum(tokens + target_tokens(task.labels), self.limit)

        return self.lengths((name, template), lengths)
