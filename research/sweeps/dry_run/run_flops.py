"""FLOPs of planned runs, by the formula of recorded costs."""

import statistics
from dataclasses import dataclass
from functools import partial

from research.evaluation.widths import SCORED_ROWS
from research.experiments.approach import Approach
from research.experiments.plan import CellPlan
from research.experiments.stage_sequence import methods_after, methods_during
from research.models.model import Model
from research.runs.costs.flops import above_trunk, method_step_flops
from research.runs.costs.parameter_counts import ParameterCounts
from research.runs.stage_start import LEAST_PASSES
from research.sweeps.dry_run.sampled_rows import SampledRows
from research.tasks.text_task import TextTask


@dataclass(frozen=True)
class RunFlops:
    """The FLOPs of runs with one backbone.

    Attributes:
        model: the backbone's model.
        parameters: number of its parameters.
        rows: the rows of the tasks.
        keeps_states: whether hidden states below the trained layers are computed once for each
            text; without sharing among runs.
    """

    model: Model
    parameters: int
    rows: SampledRows
    keeps_states: bool = True

    def training(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> float:
        """FLOPs of all training steps of a run.

        Args:
            cell: the cell of the run.
            approach: the approach of the run.
            size: its parameters.
        """
        total = 0.0
        lengths = self.rows.lengths(cell.task.name, approach)
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
                before=lengths.shared + sum(method.positions for method in methods),
                shared=self.model.ROUTE == "causal",
                targets=self.rows.longest_target(cell.task.name, approach),
            )
            total += stage.schedule.steps * step(read if keeps else leaves)
            if keeps and read is not leaves:  # each text once
                total += texts / rows * (step(leaves) - step(read))
        return total

    def scoring(
        self, cell: CellPlan, approach: Approach, size: ParameterCounts, again: bool
    ) -> float:
        """FLOPs of a scored row: each of its prompts, then each label or the tokens of an answer.

        Args:
            cell: of the run.
            approach: of the run.
            size: its parameters.
            again: whether the row was scored before, so that its states are kept.
        """
        lengths = self.rows.lengths(cell.task.name, approach)
        own, before = self._prompt_tokens(cell, approach)
        if self.rows.step_cost is not None and self.model.ROUTE == "causal":
            before = 0.0  # a large model computes them once for a split
        tokens = own + before + lengths.answers
        leaves, trained = size.stages[-1] if size.stages else ({}, frozenset())
        if not leaves:
            return 2.0 * self.parameters * approach.ensemble * tokens
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
            targets=round(lengths.answers),
        )

    def text(self, cell: CellPlan, approach: Approach) -> float:
        """FLOPs of the new tokens of a generated text, of each beam."""
        new, task = self.rows.new_tokens(cell.task.name, approach), cell.task
        beams = task.decoding.num_beams if isinstance(task, TextTask) else 1
        return 2.0 * self.parameters * beams * new

    def prompt(self, cell: CellPlan, approach: Approach) -> float:
        """FLOPs of reading a prompt before a generated text."""
        return 2.0 * self.parameters * sum(self._prompt_tokens(cell, approach))

    def _prompt_tokens(self, cell: CellPlan, approach: Approach) -> tuple[float, float]:
        """(padded tokens of a prompt, its part of the tokens that a batch computes before all).

        The nearest demonstrations differ from row to row; a model that is not a decoder computes
        all tokens for each row.
        """
        name = cell.task.name
        own = self.rows.mean_width(name, approach)
        demonstrations = self.rows.demonstration_tokens(name, approach)
        before = self.rows.lengths(name, approach).shared
        if approach.choice == "nearest":
            own += demonstrations
        else:
            before += demonstrations
        return own, before / (SCORED_ROWS if self.model.ROUTE == "causal" else 1)
