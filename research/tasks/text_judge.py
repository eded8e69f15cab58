"""Scores generated texts against references."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from research.tasks.answers import AnswerParser
from research.tasks.metrics.output_format import Format, in_format
from research.tasks.metrics.text import TextMetric
from research.tasks.texts import ScoredTexts


@dataclass(frozen=True)
class TextJudge:
    """Scores the answers in generated texts.

    Attributes:
      parser: finds the answer in a text.
      metrics: metrics of single answers by name.
      format: format of whole texts; None for any.
    """

    parser: AnswerParser
    metrics: Mapping[str, TextMetric]
    format: Format | None

    def votes(
        self, samples: Sequence[Sequence[str]], references: Sequence[tuple[str, ...]]
    ) -> ScoredTexts:
        """Scores the most frequent answer of each item against the answers in its references.

        An item without an answer scores 0 by every metric. The format is that of whole texts, and
        its score their mean.

        Args:
          samples: the generated texts of each item.
          references: the correct texts of each item.
        """
        parsed = [[self.parser.parse(text) for text in texts] for texts in samples]
        correct = tuple(tuple(map(self._answer, texts)) for texts in references)
        answers = [
            [self.parser.accepted(text.answer, texts) for text in item]
            for item, texts in zip(parsed, correct, strict=True)
        ]
        votes = list(map(self.parser.vote, answers))
        outputs = tuple(vote or "" for vote in votes)
        items = {
            name: np.array(
                [
                    0.0 if vote is None else metric(vote, texts)
                    for vote, texts in zip(votes, correct, strict=True)
                ]
            )
            for name, metric in self.metrics.items()
        }
        if self.format is not None:
            items["format"] = _means([[in_format(self.format, t, ()) for t in s] for s in samples])
        if not self.parser.extracts and all(len(texts) == 1 for texts in samples):
            return ScoredTexts(outputs, correct, items)
        if self.parser.extracts:
            items["answered"] = _means([[a is not None for a in item] for item in answers])
        return ScoredTexts(
            outputs,
            correct,
            items,
            generated=tuple(map(tuple, samples)),
            timeouts=sum(text.timed_out for texts in parsed for text in texts),
        )

    def _answer(self, reference: str) -> str:
        """The answer in a reference, all of which have one."""
        return self.parser.parse(reference).answer or reference


def _means(values: Sequence[Sequence[float]]) -> np.ndarray:
    """[I] the mean of each item's values."""
    return np.array([np.mean(item) for item in values], float)
