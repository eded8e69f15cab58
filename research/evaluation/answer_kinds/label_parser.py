"""Finds labels in generated texts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from research.tasks.answers import AnswerParser
from research.tasks.prompts.label_match import unambiguous
from research.tasks.words import has_no_spaces


@dataclass(frozen=True)
class LabelParser:
    """Finds a label's text in a text: the last one, as a whole word and in any case.

    Attributes:
        texts: texts of each label, in the order of the labels.
    """

    texts: tuple[tuple[str, ...], ...]

    @cached_property
    def pattern(self) -> str:
        """The regular expression of any text of any label; of several that fit, the longest."""
        longest_first = sorted((t for texts in self.texts for t in texts), key=len, reverse=True)
        return f"(?i)({'|'.join(map(_whole_words, longest_first))})"

    @cached_property
    def _classes(self) -> Mapping[str, int]:
        """The class of each text, and of each text in lower case where only one class has it."""
        exact = {text: index for index, texts in enumerate(self.texts) for text in texts}
        return {**unambiguous((text.casefold(), index) for text, index in exact.items()), **exact}

    def parse(self, text: str) -> int | None:
        """The class that a text names last; None if it names none."""
        answer = AnswerParser(self.pattern).parse(text).answer
        if answer is None:
            return None
        return self._classes.get(answer, self._classes.get(answer.casefold()))


def _whole_words(text: str) -> str:
    """The regular expression of a text that is no part of a longer word."""
    begin = "" if not text[0].isalnum() or has_no_spaces(text[0]) else r"(?<!\w)"
    end = "" if not text[-1].isalnum() or has_no_spaces(text[-1]) else r"(?!\w)"
    return f"{begin}{re.escape(text)}{end}"
