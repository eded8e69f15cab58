"""The verbalizer: which text stands for a label, and how a target is written."""

from collections.abc import Mapping
from dataclasses import dataclass

from research.errors import InputError, choose_from


@dataclass(frozen=True)
class Verbalizer:
    r"""Texts of labels, for example `{"0": "negative", "1": "positive"}`.

    A target is a space, the text and `end`: `" negative\n"`. The end makes it part of the score
    that the answer stops here, so that "good" is not also the beginning of "good enough".
    Raises InputError for an empty text, white space around one, the end within one, or two labels
    with the same text.
    """

    texts: Mapping[str, str]
    end: str = "\n"

    def __post_init__(self) -> None:
        owners: dict[str, str] = {}
        for label, text in self.texts.items():
            field = f"verbalizer[{label!r}]"
            if not isinstance(label, str) or not isinstance(text, str):
                raise InputError(field, text, "labels and their texts are strings")
            if not text.strip():
                raise InputError(field, text, "a label needs a text that is not empty")
            if text != text.strip():
                raise InputError(field, text, "no white space around a text; it is added for you")
            if self.end and self.end in text:
                raise InputError(field, text, f"a text may not contain the end {self.end!r}")
            if text in owners:
                raise InputError(
                    field, text, f"label {owners[text]!r} has this text; each needs its own"
                )
            owners[text] = label

    def target(self, label: str) -> str:
        """Space, text, end: the characters that are trained on and scored."""
        return self.continuation(label) + self.end

    def continuation(self, label: str) -> str:
        """Space and text, where something else than characters ends a target."""
        if label not in self.texts:
            allowed = f"no text for this label in the verbalizer; {choose_from(self.texts, label)}"
            raise InputError("label", label, allowed)
        return f" {self.texts[label]}"
