"""Answers that are texts, which the backbone generates."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import Answerer, ExternalAnswer, FittedBaseline
from research.evaluation.baselines import FittedTexts
from research.evaluation.batch import EncodedPrompts, bucket
from research.evaluation.decoding.automaton import TokenAutomaton
from research.evaluation.decoding.pattern import pattern_automaton
from research.evaluation.predictor import AdaptedWeights, Predictor, ignore_batches
from research.runtime.executable import Call
from research.tasks.encoding.encoded import Encoded, Normalisation
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.text_encoder import TextEncoder
from research.tasks.example import Example
from research.tasks.metrics.output_format import format_pattern
from research.tasks.text_task import TextTask
from research.tasks.texts import ScoredTexts


class TextAnswers(NamedTuple):
    """Generated texts of a split.

    Attributes:
        texts: the texts beside their references, and their metrics.
        loss: mean negative log-probability of a token of the first reference, in nats.
        metrics: every metric by name, and the loss.
        not_finite: number of rows whose tokens have no finite probability; their text is empty and
            counts as wrong by every metric.
    """

    texts: ScoredTexts
    loss: float
    metrics: dict[str, float]
    not_finite: int = 0


@dataclass(frozen=True)
class TextAnswerer:
    """Generates texts by the task's decoding settings.

    A text ends at each id of `ends`, and before the first `end_text`.

    Attributes:
        task: the task.
        tokenizer: the backbone's tokenizer.
        ends: ids that end a text.
        end_text: characters that end a text; "" for none.
        automaton: of the format that `answers` have to match; None without constrained decoding.
    """

    task: TextTask
    tokenizer: Tokenizer
    ends: tuple[int, ...]
    end_text: str
    automaton: TokenAutomaton | None = None

    def target_width(self, rows: Encoded) -> int:
        """Tokens of the longest target, rounded up to a bucket."""
        return bucket(rows.longest_target)

    def training_answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> TextAnswers:
        """One text for each row, scored against the row's references.

        It is not constrained, so that rows with and without it train the same parameters.
        """
        return self._answers(predictor, weights, prompts)

    def _answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        automaton: TokenAutomaton | None = None,
    ) -> TextAnswers:
        """One text for each row, by an automaton or by none."""
        # A row is reported when its text is generated, which takes most of the time.
        loss = replace(predictor, report=ignore_batches).loss(weights, prompts, batch_size=32)
        generated = predictor.generate(
            weights, prompts, self.task.decoding, ends=self.ends, automaton=automaton
        )
        answered = np.isfinite(generated.score)
        lines = zip(generated.tokens, np.where(answered, generated.length, 0), strict=True)
        outputs = [self._decoded(row[:length]) for row, length in lines]
        texts = self.task.judged(outputs, prompts.rows.references)
        items = {name: np.where(answered, scores, 0.0) for name, scores in texts.items.items()}
        texts = replace(texts, items=items)
        metrics = {**texts.metrics(), "loss": loss}
        return TextAnswers(texts, loss, metrics, int((~answered).sum()))

    def answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        normalisation: Normalisation,
    ) -> TextAnswers:
        """The same as while training, by constrained decoding if there is an automaton."""
        del normalisation
        return self._answers(predictor, weights, prompts, self.automaton)

    def constrained(self) -> "TextAnswerer":
        """The answerer whose `answers` match the format of the task. Raises InputError."""
        task, ngram = self.task, self.task.decoding.no_repeat_ngram_size
        if task.format is None:
            allowed = f"task {task.name} has neither format nor json_schema"
            raise InputError("constrained", True, allowed)
        if ngram is not None:
            allowed = "constrained decoding may need an n-gram again"
            raise InputError("no_repeat_ngram_size", ngram, allowed)
        automaton = pattern_automaton(
            format_pattern(task.format),
            self.tokenizer,
            self.ends,
            task.decoding.max_new_tokens,
            self.end_text,
        )
        return replace(self, automaton=automaton)

    def calls(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> list[Call]:
        """None: generation is compiled when it is first needed."""
        del predictor, weights, prompts
        return []

    def _decoded(self, tokens: np.ndarray) -> str:
        """The text of one row's tokens, without its end and the white space around it."""
        text = self.tokenizer.decode(
            tokens.tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)  # of one row
        return (text.split(self.end_text)[0] if self.end_text else text).strip()


@dataclass(frozen=True)
class TextKind:
    """The answer kind of generation tasks."""

    task: TextTask
    name: ClassVar[str] = "text"

    @property
    def head_outputs(self) -> int:
        return 0

    def encoder(self, tokenizer: Tokenizer, template: int, **options: Any) -> TextEncoder:
        task = self.task
        return TextEncoder(
            tokenizer,
            task.templates[template],
            task.verbalizer,
            task.labels,
            most=task.decoding.max_new_tokens,
            **options,
        )

    def answerer(self, encoder: Encoder) -> Answerer:
        assert isinstance(encoder, TextEncoder)  # made by `encoder`
        return TextAnswerer(self.task, encoder.tokenizer, encoder.ends, encoder.end_text)

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
        return vars(answers.texts)
