"""Evaluates a run: its scores, costs and notes."""

from typing import Any

import numpy as np

from research.runs.costs.analytic import formula_flops, request_costs
from research.runs.costs.measured import costs, stored, switch_seconds
from research.runs.diagnostics import described, not_learned
from research.runs.forgetting import measure_forgetting
from research.runs.result import Result, TestResult, not_finite, predictions, timeouts
from research.runs.run_scorer import RunScorer
from research.runs.scoring_progress import ScoringReport, ignore_scoring
from research.runs.state import RunState
from research.runtime.executable import scoring_clock


class RunEvaluator:
    """Evaluates a run with its present leaves.

    Args:
        state: the state of the run.
        report: called after each batch of scoring.
    """

    def __init__(self, state: RunState, report: ScoringReport = ignore_scoring):
        self.report, self.scorer = report, RunScorer(state, report)
        self.state, self.context, self.task = state, state.context, state.run.cell.task

    def result(self) -> Result:
        """Evaluates on dev, and on train if it is in `RunScorer.scored_train`, after training."""
        task, data = self.task, self.state.data
        again = ("dev",) if self.scorer.compared else ()
        self.scorer.expect("dev", *self.scorer.scored_train, *again)
        begun = scoring_clock()
        dev_answers = self.scorer.score("dev")
        seconds, dev = scoring_clock() - begun, dev_answers.metrics
        answers = {
            **{split: self.scorer.score(split) for split in self.scorer.scored_train},
            "dev": dev_answers,
        }
        progress = [outcome.progress for outcome in self.state.outcomes]
        diverged = any(stage.status == "diverged" for stage in progress)
        return Result(
            status="diverged" if diverged else "finished",
            n_train=len(data.split.train),
            metrics={split: scored.metrics for split, scored in answers.items()},
            costs=self._costs(seconds),
            notes={
                "demonstrations": data.demonstrations,
                "bos": data.bos,
                "cut": max(prompt.cut for prompt in self.state.prompts),
                "dropped": data.split.dropped,
                "n_dev": len(data.split.dev),
                "metric_words": task.metric_words,
                "steps": [stage.steps for stage in progress],
                "best_step": [stage.best_step for stage in progress],
                "not_finite": not_finite(answers),
                "timeouts": timeouts(answers),
                **self._learned(dev),
            },
            data={"task_checksum": task.checksum, "split_checksum": data.split.checksum},
            backbone={
                "name": self.context.backbone.name,
                "checksum": self.context.backbone.checksum,
                "parameters": self.context.backbone.parameters,
            },
            history=self.state.histories,
        )

    def test_result(self) -> TestResult:
        """Evaluates on every split of `Task.tests`, and measures the costs of serving."""
        state, methods = self.state, self.state.methods()
        self.scorer.expect(*self.task.tests)
        begun = scoring_clock()
        answers = {"test": self.scorer.score("test")}
        seconds = scoring_clock() - begun
        answers |= {split: self.scorer.score(split) for split in self.task.tests if split != "test"}
        by_split = {
            split: predictions(self.task, split, scored, state.approach.answering)
            for split, scored in answers.items()
        }
        switching = switch_seconds(stored(state.changed, methods), self.context.devices)
        cut = {split: rows.cut for split, rows in state.data.beside_test.items()}
        return TestResult(
            predictions=by_split,
            costs={"switch_seconds": switching, "test_seconds": round(seconds, 4)},
            notes={
                "cut_beside_test": cut,
                "not_finite": not_finite(answers),
                "timeouts": timeouts(answers),
            },
            language_model=measure_forgetting(state, self.report),
        )

    def _costs(self, dev_seconds: float) -> dict[str, Any]:
        """Costs until test.

        Args:
            dev_seconds: seconds of scoring dev after training.
        """
        state, model = self.state, self.context.backbone.model
        outcomes, methods = state.outcomes, state.methods()
        schedules = [stage.schedule for stage in state.approach.stages]
        formula = None
        if outcomes:
            last = len(schedules) - 1
            trained, frame = state.training(last), state.stage_data(last).frame
            formula = formula_flops(
                outcomes[-1], schedules[-1], state.leaves, trained, frame, model
            )
        return {
            **costs(outcomes, schedules, state.changed, methods, self._added_tokens(), dev_seconds),
            "formula_flops": formula,
            **request_costs(
                model, state.prompts, state.method_positions, np.dtype(self.context.dtype).itemsize
            ),
        }

    def _learned(self, dev: dict[str, float]) -> dict[str, Any]:
        """Notes on the result of training, for approaches that train.

        Args:
            dev: metrics on dev.
        """
        if not self.state.approach.stages:
            return {}
        metric, data = self.task.metric, self.state.data
        others = self.scorer.kind.constant_scores(data.train, data.dev)
        if self.scorer.compared:
            unadapted = self.scorer.score("dev", trained=False)
            others["the unadapted backbone"] = unadapted.metrics[metric]
        notes: dict[str, Any] = {"not_learned": not_learned(metric, dev[metric], others)}
        scale = self.context.backbone.model.table_scale
        methods, leaves = self.state.methods(), self.state.leaves
        return notes | described(methods, leaves, self.context.tokenizer, scale)

    def _added_tokens(self) -> int:
        """Tokens that the approach adds to an input; an ensemble reads the input again as well."""
        again = sum(
            round(float(prompt.test.prompt_length.mean())) for prompt in self.state.prompts[1:]
        )
        return (
            sum(prompt.added for prompt in self.state.prompts) + self.state.method_positions + again
        )
