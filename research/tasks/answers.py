"""The answer within a text, and the answer that most of several texts give."""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from research.common.user_regex import last_group
from research.tasks.metrics.number import number_in


class ParsedText(NamedTuple):
    """The result of looking for the answer in a text.

    Attributes:
      answer: the answer; None where there is none.
      timed_out: whether the search took too long, so that there is no answer.
    """

    answer: str | None
    timed_out: bool = False


@dataclass(frozen=True)
class AnswerParser:
    """Finds the answer in a text.

    Attributes:
      pattern: regular expression; the first filled group of its last match is the answer. None:
        the whole text is.
      numeric: whether an answer is a number, so that a text without one has no answer.
    """

    pattern: str | None = None
    numeric: bool = False

    @property
    def extracts(self) -> bool:
        """Whether a text may have no answer."""
        return self.pattern is not None or self.numeric

    def parse(self, text: str) -> ParsedText:
        """The answer in a text."""
        if self.pattern is not None:
            try:
                return ParsedText(last_group(self.pattern, text))
            except TimeoutError:
                return ParsedText(None, timed_out=True)
        return ParsedText(None if self.numeric and number_in(text) is None else text)

    def accepted(self, answer: str | None, references: Sequence[str]) -> str | None:
        """The answer in an output; None for one without a number where each reference has one."""
        if answer is None or not self.numeric or number_in(answer) is not None:
            return answer
        return None if all(number_in(text) is not None for text in references) else answer

    def vote(self, answers: Sequence[str | None]) -> str | None:
        """The most frequent answer as it is first written; of equally frequent ones, the first.

        None counts only where there is no answer at all.
        """
        spellings: dict[Hashable, str] = {}
        counts: Counter[Hashable] = Counter()
        for answer in answers:
            if answer is not None:
                key = self._key(answer)
                spellings.setdefault(key, answer)
                counts[key] += 1
        return spellings[counts.most_common(1)[0][0]] if counts else None

    def _key(self, answer: str) -> Hashable:
        """Equal for answers that are the same: equal numbers, or equal texts, white space aside."""
        value = number_in(answer) if self.numeric else None
        return " ".join(answer.split()) if value is None else value
