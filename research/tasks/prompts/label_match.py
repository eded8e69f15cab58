"""Finds the label that a text names."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TypeVar

from research.tasks.prompts.verbalizer import Verbalizer

T = TypeVar("T")

MARGINS = "PSZC"  # categories of Unicode: punctuation, symbols, separators and control characters


class LabelMatcher:
    """Finds the label that a text names. A text that may name two labels names none.

    Args:
        labels: the names of the labels.
        verbalizer: their texts.
    """

    def __init__(self, labels: Sequence[str], verbalizer: Verbalizer):
        texts = [(text, label) for label in labels for text in verbalizer.all(label)]
        names = [(label, label) for label in labels]
        self._texts = unambiguous(texts)
        self._texts_and_names = unambiguous([*texts, *names])
        self._bare_texts = unambiguous((bare(text), label) for text, label in texts)
        self._bare_texts.pop("", None)

    @property
    def names(self) -> list[str]:
        """The texts that `exact` finds."""
        return list(self._texts_and_names)

    def exact(self, text: str) -> str | None:
        """The label whose name or text this is, apart from white space around it."""
        return self._texts_and_names.get(text.strip())

    def in_reply(self, text: str) -> str | None:
        """The label whose text this is, apart from case, white space and surrounding punctuation.

        A text that matches without changes comes first.
        """
        label = self._texts.get(text.strip())
        return self._bare_texts.get(bare(text)) if label is None else label


def bare(text: str) -> str:
    """The text in lower case, without white space, punctuation and symbols around it."""
    text = " ".join(text.split()).casefold()
    first, end = 0, len(text)
    while first < end and _is_margin(text[first]):
        first += 1
    while end > first and _is_margin(text[end - 1]):
        end -= 1
    return text[first:end]


def _is_margin(character: str) -> bool:
    return unicodedata.category(character)[0] in MARGINS


def unambiguous(pairs: Iterable[tuple[str, T]]) -> dict[str, T]:
    """Label by text, without the texts of several labels."""
    labels: dict[str, set[T]] = defaultdict(set)
    for text, label in pairs:
        labels[text].add(label)
    return {text: next(iter(of_text)) for text, of_text in labels.items() if len(of_text) == 1}
