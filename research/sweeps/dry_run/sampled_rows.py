"""Number and lengths of the rows of a plan's tasks."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import BUCKETS, bucket, padded_width
from research.evaluation.widths import ProgramCost
from research.experiments.approach import Approach
from research.experiments.plan import CellPlan
from research.experiments.stage import Stage
from research.experiments.stage_sequence import methods_after
from research.runtime.memo import Memo
from research.sweeps.cell_work import train_rows
from research.sweeps.row_tokens import (
    RowLengths,
    assumed_lengths,
    row_lengths,
    tokens_per_second,
)
from research.tasks.answering import Answering
from research.tasks.encoding.special_tokens import Bos, Route
from research.tasks.sampling import Regime
from research.tasks.task import Task
from research.tasks.task_settings import Outline
from research.tasks.text_task import TextTask
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
        route: how the backbone predicts targets without a head.
        bos: whether BOS stands before every row.
        memo: lengths and widths that were computed already.
    """

    tasks: Mapping[str, Task | Outline]
    tokenizer: Tokenizer | None
    context: int | None
    step_cost: ProgramCost | None = None
    route: Route = "causal"
    bos: Bos = "tokenizer"
    memo: Memo = field(default_factory=Memo)

    def test(self, name: str) -> int:
        """Number of test rows of a task, of all test splits."""
        task = self.tasks[name]
        return sum(map(len, task.tests.values())) if isinstance(task, Task) else ASSUMED_ROWS

    def train(self, name: str, regime: Regime) -> int:
        """Number of training rows of a task in a regime."""
        task = self.tasks[name]
        most = len(task.train) if isinstance(task, Task) else ASSUMED_ROWS
        return train_rows(regime, task.labels, most)

    def assumed(self) -> tuple[str, ...]:
        """The tasks whose texts are not available."""
        return tuple(
            name
            for name, task in self.tasks.items()
            if self.tokenizer is None or not isinstance(task, Task)
        )

    def lengths(self, name: str, approach: Approach) -> RowLengths:
        """Tokens of the rows of train with the prompt of an approach."""
        task, tokenizer = self.tasks[name], self.tokenizer
        if tokenizer is None or not isinstance(task, Task):
            return assumed_lengths(task.labels, min(ASSUMED, self.limit))
        head = any(method.is_head for method in methods_after(approach.stages))
        route = "head" if head else self.route
        key = approach.template, approach.layout, approach.target_end, approach.answering, route
        return self.memo(
            (name, *key),
            lambda: row_lengths(task, approach, tokenizer, route, self.bos, SAMPLE),
        )

    def prompt_width(self, name: str, approach: Approach) -> int:
        """Padded tokens of the longest prompt."""
        return bucket(min(self.limit, max(1, int(self.lengths(name, approach).prompts.max()))))

    def mean_width(self, name: str, approach: Approach) -> float:
        """Mean of the padded tokens of a prompt."""
        prompts = np.minimum(self.lengths(name, approach).prompts, self.limit)
        return statistics.fmean(bucket(max(1, int(length))) for length in prompts)

    def mean_tokens(self, name: str, approach: Approach) -> float:
        """Mean tokens of a row with its target."""
        return float(self._rows(self.lengths(name, approach)).mean())

    def longest_target(self, name: str, approach: Approach) -> int:
        """Target tokens of a row in the training batches."""
        lengths = self.lengths(name, approach)
        longest = max(1, int(lengths.targets.max()))
        return bucket(longest) if lengths.new else longest

    def new_tokens(self, name: str, approach: Approach) -> int:
        """Tokens of the longest generated texts of a batch; 0 where none are generated.

        After training they are as long as the longest target of train, and else as long as they
        may be.
        """
        lengths = self.lengths(name, approach)
        if not approach.stages:
            return lengths.new
        return min(lengths.new, int(lengths.targets.max()))

    def demonstration_tokens(self, name: str, approach: Approach) -> float:
        """Tokens of the demonstrations before a row."""
        tokens, labels = self.mean_tokens(name, approach), self.tasks[name].labels
        most = max(0.0, self.limit - tokens)
        if approach.demonstrations == "fit":
            return most
        classes = len(labels) if approach.choice == "balanced" else 1
        return min(most, approach.demonstrations * max(1, classes) * tokens)

    @property
    def limit(self) -> int:
        """Maximum tokens of a row."""
        return min(self.context or BUCKETS[-1], BUCKETS[-1])

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
        regime = cell.regime if stage.regime is None else Regime.parse(stage.regime)
        schedule = stage.schedule
        size, steps = schedule.batch_size, min(schedule.steps, STEPS)
        count = max(1, self.train(name, regime))
        rows = self._rows(self.lengths(name, self._of_stage(approach, stage)))

        def widths() -> list[int]:
            lengths = np.resize(rows, count)
            batches = [batch_indices(lengths, size, 0, step) for step in range(steps)]
            chosen = training_widths(self.step_cost, [Stream(0, lengths, lengths)], schedule)
            return [padded_width(int(lengths[batch].max()), chosen) for batch in batches]

        return self.memo((rows.tobytes(), count, size, schedule.steps), widths)

    def _of_stage(self, approach: Approach, stage: Stage) -> Approach:
        """The approach with the prompt of a stage; on another task, as far as that task allows."""
        if stage.template is not None:
            approach = replace(approach, template=stage.template)
        if stage.task is None:
            return approach
        task = self.tasks[stage.task]
        rationale = isinstance(task, TextTask) and approach.rationale and task.has_rationales
        default = Answering()
        return replace(
            approach,
            answer_by=default.answer_by,
            rationale=rationale,
            samples=default.samples,
            temperature=default.temperature,
            max_new_tokens=approach.max_new_tokens if isinstance(task, TextTask) else None,
        )

    def _rows(self, lengths: RowLengths) -> NDArray:
        """[I] tokens of each row with its target."""
        return np.minimum(lengths.prompts + lengths.targets, self.limit)
