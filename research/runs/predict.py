"""What an approach answers to a split, read from its prompts with or without training."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from research.evaluation.answering import Answers, Choosing, Estimating
from research.evaluation.batch import EncodedPrompts, PromptFrame
from research.evaluation.calibration import ensembled, pooled_label_scores
from research.evaluation.label_scoring import measured, target_loss
from research.evaluation.predictor import AdaptedWeights
from research.evaluation.text_answers import Writing
from research.runs.context import RunContext
from research.runs.data import RunData
from research.runtime.executable import Call
from research.tasks.encoding.encoded import Encoded, LabelTexts, Normalisation


@dataclass(frozen=True)
class PromptPredictor:
    """The prompts of an ensemble, mostly one, read by the backbone with these methods and leaves.

    asis: whether that is the backbone as it came, which is asked only once for the same.
    """

    context: RunContext
    prompts: Sequence[RunData]
    normalisation: Normalisation
    weights: AdaptedWeights
    asis: bool

    def answers(self, rows: Sequence[Encoded]) -> Answers:
        """To the rows as each of the prompts has them."""
        prompt, encoded = self.prompts[0], rows[0]
        if isinstance(prompt.answering, Writing | Estimating):
            depends = prompt.answering.depends(encoded)
            return self._ask(
                prompt.answering.answers, EncodedPrompts(encoded, prompt.frame), depends
            )
        read = [self._read(*pair) for pair in zip(self.prompts, rows, strict=True)]
        scores, losses = zip(*read, strict=True)
        return measured(ensembled(scores), encoded.label, sum(losses) / len(losses))

    def calls(self, rows: Sequence[Encoded]) -> list[Call]:
        """Those of programs that answering makes, one of each shape, where labels are scored."""
        found, predictor = [], self.context.predictor
        for prompt, encoded in zip(self.prompts, rows, strict=True):
            if not isinstance(prompt.answering, Choosing):
                continue
            asked = [(encoded, prompt.frame), *((one, prompt.neutral) for one in encoded.neutral)]
            for some, frame in asked:
                targets = prompt.answering.texts.targets
                found += predictor.score_calls(self.weights, EncodedPrompts(some, frame), targets)
        return found

    def _read(self, prompt: RunData, rows: Encoded) -> tuple[np.ndarray, float]:
        """(scores of labels [I, C], loss of the targets that are trained on) by one prompt."""
        assert isinstance(prompt.answering, Choosing)
        texts = prompt.answering.texts
        scores = self._scores(texts, rows, prompt.frame)
        neutral = [self._scores(texts, one, prompt.neutral) for one in rows.neutral]
        labels = pooled_label_scores(scores, texts, self.normalisation, neutral)
        first = np.searchsorted(texts.owner, rows.label)  # of each label's texts
        return labels, target_loss(scores, first, texts.targets.length)

    def _scores(self, texts: LabelTexts, rows: Encoded, frame: PromptFrame) -> np.ndarray:
        """[I, K] of all texts."""

        def ask(predictor, weights, prompts):
            return predictor.scores(weights, prompts, texts.targets)

        return self._ask(ask, EncodedPrompts(rows, frame), texts.targets)

    def _ask(
        self, ask: Callable[..., Any], prompts: EncodedPrompts, candidates: Sequence[Any]
    ) -> Any:
        """What the backbone says. candidates: what it depends on beside prompts and methods."""

        def asked() -> Any:
            return ask(self.context.predictor, self.weights, prompts)

        if not self.asis:
            return asked()
        rows, frame = prompts
        parts = (rows.tokens, rows.prompt_length, *frame)
        content = [np.asarray(part).tobytes() for part in parts]
        content += [repr(np.asarray(part).tolist()).encode() for part in candidates]
        content.append(repr(self.weights.methods).encode())
        key = hashlib.sha256(b" ".join(content)).digest()
        return self.context.caches.answers(key, asked)
