"""Predictions of a run: the answers of its prompts, with or without training."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from research.evaluation.answer_kinds.kind import AnswerKind, Answers
from research.evaluation.batched_model import BatchReport, ignore_batches
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.evaluation.result_cache import ResultCache
from research.runs.context import RunContext
from research.runs.data import RunData
from research.runtime.executable import Call
from research.tasks.encoding.encoded import Encoded, Normalisation


@dataclass(frozen=True)
class PromptPredictor:
    """Answers splits with a run's prompts and an adapted backbone.

    Attributes:
        context: the resources of the experiment.
        kind: the task's answer kind.
        prompts: the encoded data for each prompt of the ensemble, mostly one.
        normalisation: the length normalisation of label scores.
        weights: the adapted backbone.
        results: those of these weights; None for the unadapted backbone, whose results runs share.
        report: called after each batch of a prompt.
    """

    context: RunContext
    kind: AnswerKind
    prompts: Sequence[RunData]
    normalisation: Normalisation
    weights: AdaptedWeights
    results: ResultCache | None
    report: BatchReport = ignore_batches

    def answers(self, rows: Sequence[Encoded]) -> Answers:
        """The answers to a split, whose rows are encoded for each of the prompts."""
        context = self.context
        shared, results = context.unadapted_predictor, self.results
        predictor = shared if results is None else context.adapted_predictor(results)
        predictor = replace(predictor, report=self.report)
        members = [
            prompt.answerer.answers(
                self._in_shapes(predictor, prompt),
                self.weights,
                prompt.prompts(encoded),
                self.normalisation,
            )
            for prompt, encoded in zip(self.prompts, rows, strict=True)
        ]
        return self.kind.ensemble(members, rows[0])

    def calls(self, rows: Sequence[Encoded]) -> list[Call]:
        """The calls of compiled programs that `answers` makes, to compile them ahead."""
        predictor = self.context.predictor
        return [
            call
            for prompt, encoded in zip(self.prompts, rows, strict=True)
            for call in prompt.answerer.calls(
                self._in_shapes(predictor, prompt), self.weights, prompt.prompts(encoded)
            )
        ]

    def _in_shapes(self, predictor: Predictor, prompt: RunData) -> Predictor:
        """The predictor with the batches of a prompt's rows."""
        return replace(predictor, shapes=prompt.scoring_shapes(self.context.backbone.params))
