"""Verbalizers: the texts of each label, and the format of a target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from research.common.errors import InputError, choose_from


@dataclass(frozen=True)
class Verbalizer:
    r"""Texts of labels, one or several: `{"0": "negative", "1": ("positive", "great")}`.

    A target is `start`, the text and `end`: `" negative\n"`. With the end in the score, "good" is
    not a prefix of "good enough". Of several texts the first is used in training and in
    demonstrations; all are scored.
    Raises InputError for a label without a text, an empty text, white space around a text, the end
    within a text, or a repeated text.
    """

    texts: Mapping[str, str | Sequence[str]]
    end: str = "\n"
    start: str = " "

    def __post_init__(self) -> None:
        owners: dict[str, str] = {}
        for label in self.texts:
            self._check_label(label)
            for text in self.all(label):
                self._check_text(label, text)
                if text in owners:
                    allowed = f"label {owners[text]!r} has this text; each needs its own"
                    raise InputError(f"verbalizer[{label!r}]", text, allowed)
                owners[text] = label

    def _check_label(self, label: str) -> None:
        texts = self.texts[label]
        several = isinstance(texts, tuple | list) and all(isinstance(text, str) for text in texts)
        field = f"verbalizer[{label!r}]"
        if not isinstance(label, str) or not (isinstance(texts, str) or several):
            raise InputError(field, texts, "labels and their texts are strings")
        if not texts:
            raise InputError(field, texts, "a label needs a text that is not empty")

    def _check_text(self, label: str, text: str) -> None:
        field = f"verbalizer[{label!r}]"
        if not text.strip():
            raise InputError(field, text, "a label needs a text that is not empty")
        if text != text.strip():
            raise InputError(field, text, "no white space around a text; it is added for you")
        if self.end and self.end in text:
            raise InputError(field, text, f"a text may not contain the end {self.end!r}")

    def all(self, label: str) -> tuple[str, ...]:
        """The texts of a label. Raises InputError for a label that has none."""
        if label not in self.texts:
            allowed = f"no text for this label in the verbalizer; {choose_from(self.texts, label)}"
            raise InputError("label", label, allowed)
        texts = self.texts[label]
        return (texts,) if isinstance(texts, str) else tuple(texts)

    def target(self, label: str, index: int = 0) -> str:
        """Start, text number `index` and end: the characters that are trained on and scored."""
        return self.continuation(label, index) + self.end

    def text(self, label: str, index: int = 0) -> str:
        """Text number `index` of a label."""
        return self.all(label)[index]

    def continuation(self, label: str, index: int = 0) -> str:
        """Start and text without the end."""
        return f"{self.start}{self.text(label, index)}"


@dataclass(frozen=True)
class FreeText(Verbalizer):
    r"""Verbalizer of free texts: every text is its own target.

    Where the answer is generated it is followed by `end` (`""`: EOS).
    """

    texts: Mapping[str, str] = field(default_factory=dict)

    def text(self, label: str, index: int = 0) -> str:
        del index
        return label
