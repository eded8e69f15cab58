"""Generates the texts of rows, and scores the answers in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import no_choices
from research.evaluation.batch import EncodedPrompts, bucket
from research.evaluation.batched_model import BatchReport, ignore_batches
from research.evaluation.decoding.automaton import TokenAutomaton
from research.evaluation.decoding.pattern import pattern_automaton
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.runtime.executable import Call
from research.tasks.answering import MOST_SAMPLES, Answering
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Encoded, Normalisation, RowChoices
from research.tasks.metrics.output_format import format_pattern
from research.tasks.text_task import TextTask
from research.tasks.texts import ScoredTexts


class TextAnswers(NamedTuple):
    """Generated texts of a split.

    Attributes:
        texts: the answers beside their references, and their metrics.
        loss: mean negative log-probability of a token of the first reference, in nats.
        metrics: every metric by name, and the loss.
        not_finite: number of rows with a text whose tokens have no finite probability; their
            answer is empty and counts as wrong by every metric.
    """

    texts: ScoredTexts
    loss: float
    metrics: dict[str, float]
    not_finite: int = 0

    @property
    def timeouts(self) -> int:
        """Number of texts in which the search for the answer took too long."""
        return self.texts.timeouts


@dataclass(frozen=True)
class TextAnswerer:
    """Generates texts by the decoding settings of the task and the row.

    A text ends at each id of `ends`, and before the first `end_text`.

    Attributes:
        task: the task.
        tokenizer: the backbone's tokenizer.
        ends: ids that end a text.
        end_text: characters that end a text; "" for none.
        automaton: of the format that `answers` have to match; None without constrained decoding.
        answering: how the row answers.
        seed: the seed of sampled texts, other than those of training.
    """

    task: TextTask
    tokenizer: Tokenizer
    ends: tuple[int, ...]
    end_text: str
    automaton: TokenAutomaton | None = None
    answering: Answering = Answering()
    seed: int = 0

    def target_width(self, rows: Encoded) -> int:
        """Tokens of the longest target, rounded up to a bucket."""
        return bucket(rows.longest_target)

    def choices(self, rows: Encoded) -> RowChoices:
        del rows
        raise no_choices()

    def training_answers(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> TextAnswers:
        """The answers in one text for each row, by the task's decoding.

        It is not constrained, so that rows with and without it train the same parameters.
        """
        decoding = self.answering.decoding(self.task.decoding)
        return self._answers(predictor, weights, prompts, decoding, [0])

    def answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        normalisation: Normalisation,
    ) -> TextAnswers:
        """The most frequent answer in the row's samples; with one sample by the task's decoding,
        the same as while training. Constrained if there is an automaton.
        """
        del normalisation
        decoding, first = self.answering.sampling(self.task.decoding), MOST_SAMPLES * self.seed
        seeds = range(first, first + self.answering.samples)
        return self._answers(predictor, weights, prompts, decoding, seeds, self.automaton)

    def constrained(self) -> "TextAnswerer":
        """The answerer whose `answers` match the format of the task. Raises InputError."""
        task, decoding = self.task, self.answering.sampling(self.task.decoding)
        ngram = decoding.no_repeat_ngram_size
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
            decoding.max_new_tokens,
            self.end_text,
        )
        return replace(self, automaton=automaton)

    def calls(
        self, predictor: Predictor, weights: AdaptedWeights, prompts: EncodedPrompts
    ) -> list[Call]:
        """None: generation is compiled when it is first needed."""
        del predictor, weights, prompts
        return []

    def _answers(
        self,
        predictor: Predictor,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        decoding: Decoding,
        seeds: Sequence[int],
        automaton: TokenAutomaton | None = None,
    ) -> TextAnswers:
        """The answers in one text of each seed for each row, by an automaton or by none."""
        # A row is reported when its texts are generated, which takes most of the time.
        loss = replace(predictor, report=ignore_batches).loss(weights, prompts, batch_size=32)
        finite = np.ones(len(prompts.rows.length), bool)
        by_seed: list[list[str]] = []
        for index, seed in enumerate(seeds):
            report = _part_of(predictor.report, index, len(seeds))
            generated = replace(predictor, report=report).generate(
                weights, prompts, decoding, ends=self.ends, seed=seed, automaton=automaton
            )
            finite &= np.isfinite(generated.score)
            lines = zip(generated.tokens, generated.length, strict=True)
            by_seed.append([self._decoded(row[:length]) for row, length in lines])
        by_row = zip(finite, zip(*by_seed, strict=True), strict=True)
        samples = [texts if right else ("",) * len(seeds) for right, texts in by_row]
        texts = self.task.judged_votes(samples, prompts.rows.references)
        items = {name: np.where(finite, scores, 0.0) for name, scores in texts.items.items()}
        texts = replace(texts, items=items)
        metrics = {**texts.metrics(), "loss": loss}
        return TextAnswers(texts, loss, metrics, int((~finite).sum()))

    def _decoded(self, tokens: np.ndarray) -> str:
        """The text of one row's tokens, without its end and, unless that counts, white space."""
        text = self.tokenizer.decode(
            tokens.tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)  # of one row
        text = text.split(self.end_text)[0] if self.end_text else text
        return text if self.task.verbatim else text.strip()


def _part_of(report: BatchReport, index: int, parts: int) -> BatchReport:
    """Reports part `index` of so many passes over the same examples."""
    return lambda done, total: report((index * total + done) // parts, total)
