"""Evaluates a run: its scores, costs and notes."""

from functools import cached_property
from typing import Any

import numpy as np

from research.evaluation.answer_kinds.kind import Answers
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.cached_predictor import scoring_clock
from research.evaluation.predictor import AdaptedWeights
from research.runs.costs.analytic import formula_flops, request_costs
from research.runs.costs.measured import costs, stored, switch_seconds
from research.runs.diagnostics import described, not_learned
from research.runs.forgetting import measure_forgetting
from research.runs.predict import PromptPredictor
from research.runs.result import Result, TestResult, not_finite, predictions
from research.runs.state import RunState
from research.runtime.executable import Call
from research.tasks.encoding.encoded import Encoded


class RunEvaluator:
    """Evaluates a run with its present leaves."""

    def __init__(self, work: RunState):
        self.work, self.context, self.task = work, work.context, work.run.cell.task
        self.kind = answer_kind(self.task)

    def calls(self) -> list[Call]:
        """Calls of the programs that score the run, one of each shape."""
        splits = ("dev", *self._scored_train, *self.task.tests)
        calls = [call for split in splits for call in self.predictor().calls(self._rows(split))]
        if self.work.route != "head" and self.work.approach.stages:
            calls += self.predictor(trained=False).calls(self._rows("dev"))
        return calls

    def result(self) -> Result:
        """Evaluates on dev, and on train if it is in `_scored_train`, after training."""
        task, data, begun = self.task, self.work.data, scoring_clock()
        dev_answers = self._score("dev")
        seconds, dev = scoring_clock() - begun, dev_answers.metrics
        answers = {
            **{split: self._score(split) for split in self._scored_train},
            "dev": dev_answers,
        }
        progress = [outcome.progress for outcome in self.work.outcomes]
        diverged = any(stage.status == "diverged" for stage in progress)
        return Result(
            status="diverged" if diverged else "finished",
            n_train=len(data.split.train),
            metrics={split: scored.metrics for split, scored in answers.items()},
            costs=self._costs(seconds),
            notes={
                "demonstrations": data.demonstrations,
                "bos": data.bos,
                "cut": max(prompt.cut for prompt in self.work.prompts),
                "dropped": data.split.dropped,
                "n_dev": len(data.split.dev),
                "metric_words": task.metric_words,
                "steps": [stage.steps for stage in progress],
                "best_step": [stage.best_step for stage in progress],
                "not_finite": not_finite(answers),
                **self._learned(dev),
            },
            data={"task_checksum": task.checksum, "split_checksum": data.split.checksum},
            backbone={
                "name": self.context.backbone.name,
                "checksum": self.context.backbone.checksum,
            },
            history=self.work.histories,
        )

    def test_result(self) -> TestResult:
        """Evaluates on every split of `Task.tests`, and measures the costs of serving."""
        state, methods = self.work, self.work.methods()
        begun = scoring_clock()
        answers = {"test": self._score("test")}
        seconds = scoring_clock() - begun
        answers |= {split: self._score(split) for split in self.task.tests if split != "test"}
        by_split = {
            split: predictions(self.task, split, scored) for split, scored in answers.items()
        }
        switching = switch_seconds(stored(state.changed, methods), self.context.devices)
        cut = {split: rows[0].cut for split, rows in self._beside_test.items()}
        weights = AdaptedWeights(methods, state.leaves)
        forgetting = measure_forgetting(
            self.context,
            state.route,
            weights,
            state.changed,
            state.room,
            self.task,
            state.run.cell.experiment.bos,
        )
        return TestResult(
            predictions=by_split,
            costs={"switch_seconds": switching, "test_seconds": round(seconds, 4)},
            notes={"cut_beside_test": cut, "not_finite": not_finite(answers)},
            language_model=forgetting,
        )

    @property
    def _scored_train(self) -> tuple[str, ...]:
        """("train",) for approaches that train, and for all if the experiment asks for it."""
        scored = self.work.approach.stages or self.work.run.cell.experiment.score_train
        return ("train",) if scored else ()

    def _costs(self, dev_seconds: float) -> dict[str, Any]:
        """Costs until test.

        Args:
            dev_seconds: seconds of scoring dev after training.
        """
        work, model = self.work, self.context.backbone.model
        outcomes, methods = work.outcomes, work.methods()
        schedules = [stage.schedule for stage in work.approach.stages]
        formula = None
        if outcomes:
            last = len(schedules) - 1
            trained, frame = work.training(last), work.stage_data(last).frame
            formula = formula_flops(outcomes[-1], schedules[-1], work.leaves, trained, frame, model)
        return {
            **costs(outcomes, schedules, work.changed, methods, self._added_tokens(), dev_seconds),
            "formula_flops": formula,
            **request_costs(
                model, work.prompts, work.method_positions, np.dtype(self.context.dtype).itemsize
            ),
        }

    def _learned(self, dev: dict[str, float]) -> dict[str, Any]:
        """Notes on the result of training, for approaches that train.

        Args:
            dev: metrics on dev.
        """
        if not self.work.approach.stages:
            return {}
        metric, data = self.task.metric, self.work.data
        others = self.kind.constant_scores(data.train, data.dev)
        if self.work.route != "head":
            others["the unadapted backbone"] = self._score("dev", trained=False).metrics[metric]
        notes: dict[str, Any] = {"not_learned": not_learned(metric, dev[metric], others)}
        return notes | described(self.work.methods(), self.work.leaves, self.context.tokenizer)

    def _added_tokens(self) -> int:
        """Tokens that the approach adds to an input; an ensemble reads the input again as well."""
        again = sum(
            round(float(prompt.test.prompt_length.mean())) for prompt in self.work.prompts[1:]
        )
        return (
            sum(prompt.added for prompt in self.work.prompts) + self.work.method_positions + again
        )

    def _score(self, split: str, trained: bool = True) -> Answers:
        """Answers of the present leaves, or of the unadapted backbone.

        Args:
            split: train (as many rows as dev has), dev, or one of `Task.tests`.
            trained: False for the unadapted backbone.
        """
        return self.predictor(trained).answers(self._rows(split))

    def predictor(self, trained: bool = True) -> PromptPredictor:
        """A predictor with the present leaves, or with the unadapted backbone."""
        present = AdaptedWeights(self.work.methods(), self.work.leaves)
        weights = present if trained else self._untrained()
        unadapted = not (trained and self.work.approach.stages)
        normalisation, prompts = self.work.approach.normalisation, self.work.prompts
        return PromptPredictor(self.context, self.kind, prompts, normalisation, weights, unadapted)

    def _untrained(self) -> AdaptedWeights:
        """The unadapted backbone. Methods that change nothing before training stay, so that the
        programs for scoring are not compiled again without them.
        """
        methods, params = self.work.methods(), self.context.backbone.params
        if not all(method.neutral for method in methods):
            return AdaptedWeights(self.work.methods(0), params)
        prefixes = tuple(f"{method.name}:" for method in methods)
        added = {p: x for p, x in self.work.initial.items() if p.startswith(prefixes)}
        return AdaptedWeights(methods, params | added)

    def _rows(self, split: str) -> list[Encoded]:
        """The rows of a split for each prompt."""
        if split in ("train", "dev", "test"):
            return [prompt.rows(split) for prompt in self.work.prompts]
        return self._beside_test[split]

    @cached_property
    def _beside_test(self) -> dict[str, list[Encoded]]:
        """The rows of the further test splits. They were not checked before training, so long texts
        are cut.
        """
        return {
            split: [prompt.beside_test[split] for prompt in self.work.prompts]
            for split in self.task.tests
            if split != "test"
        }
