"""Answers that are texts, which the backbone generates."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import Answerer, ExternalAnswer, FittedBaseline
from research.evaluation.answer_kinds.text_answerer import TextAnswerer, TextAnswers
from research.evaluation.baselines import FittedTexts
from research.tasks.answering import Answering
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.text_encoder import TextEncoder
from research.tasks.example import Example
from research.tasks.text_task import TextTask


@dataclass(frozen=True)
class TextKind:
    """The answer kind of generation tasks.

    Raises InputError for rationales that the task does not have, and for samples by beam search.
    """

    task: TextTask
    answering: Answering = Answering()
    name: ClassVar[str] = "text"
    generates: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.answering.rationale and not self.task.has_rationales:
            allowed = f"task {self.task.name} has no rationales; name their column in its settings"
            raise InputError("rationale", True, allowed)
        self.answering.sampling(self.task.decoding)

    @property
    def head_outputs(self) -> int:
        return 0

    def examples(self, examples: Sequence[Example]) -> Sequence[Example]:
        """The examples, with their rationales where the row asks for them."""
        if not self.answering.rationale:
            return examples
        return tuple(map(self.task.with_rationale, examples))

    def encoder(self, tokenizer: Tokenizer, template: int, **options: Any) -> TextEncoder:
        task = self.task
        return TextEncoder(
            tokenizer,
            task.templates[template],
            task.verbalizer,
            task.labels,
            most=self.answering.decoding(task.decoding).max_new_tokens,
            separator=task.separator,
            **options,
        )

    def answerer(self, encoder: Encoder, seed: int = 0) -> Answerer:
        assert isinstance(encoder, TextEncoder)  # made by `encoder`
        return TextAnswerer(
            self.task,
            encoder.tokenizer,
            encoder.ends,
            encoder.end_text,
            answering=self.answering,
            seed=seed,
        )

    def ensemble(self, members: Sequence[TextAnswers], rows: Encoded) -> TextAnswers:
        """The answers of the only member: ensembles average label scores."""
        del rows
        [answers] = members
        return answers

    def fit_baseline(
        self, fit: Callable[..., FittedTexts], train: Sequence[Example]
    ) -> FittedBaseline:
        pairs = [(example.text, text) for example in train for text in example.references]
        fitted = fit([text for text, _ in pairs], [target for _, target in pairs])

        def answer(examples: Sequence[Example]) -> TextAnswers:
            outputs = fitted.write([example.text for example in examples])
            texts = self.task.judged(outputs, [example.references for example in examples])
            return TextAnswers(texts, math.nan, texts.metrics())  # it gives no probabilities

        return fitted, answer

    @property
    def most_reply_tokens(self) -> int:
        return self.task.decoding.max_new_tokens

    def parse_answer(self, text: str, reply: bool = False) -> str | None:
        """The text without white space around it."""
        del reply
        return text.strip()

    def allowed_answers(self, text: str) -> str:
        del text
        return "a text is expected"

    def judge(self, answers: Sequence[ExternalAnswer], examples: Sequence[Example]) -> TextAnswers:
        """The texts; no answer is an empty text that counts as wrong by every metric."""
        answered = np.array([answer.text is not None for answer in answers])
        outputs = [answer.text or "" for answer in answers]
        texts = self.task.judged(outputs, [example.references for example in examples])
        items = {name: np.where(answered, scores, 0.0) for name, scores in texts.items.items()}
        texts = replace(texts, items=items)
        return TextAnswers(texts, math.nan, texts.metrics(), int((~answered).sum()))

    def constant_scores(self, train: Encoded, dev: Encoded) -> dict[str, float]:
        """None."""
        del train, dev
        return {}

    def prediction_fields(
        self, examples: Sequence[Example], answers: TextAnswers
    ) -> dict[str, Any]:
        del examples
        texts = answers.texts
        return {
            "outputs": texts.outputs,
            "references": texts.references,
            "items": texts.items,
            "generated": texts.generated,
        }
