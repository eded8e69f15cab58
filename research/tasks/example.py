"""An example of a task."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """An example of a task.

    Attributes:
      fields: columns that a template may use.
      label: its label, text or number.
      references: all correct texts where the answer is a text; the label is the first.
      rationales: the reasoning before each reference, empty where there is none; or none at all.
    """

    fields: Mapping[str, str]
    label: str
    references: tuple[str, ...] = ()
    rationales: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All columns, joined by spaces."""
        return " ".join(self.fields.values())


def text_key(example: Example) -> tuple[str, ...]:
    """Key of an example: equal keys mean equal fields, ignoring case and white space."""
    return tuple(
        " ".join(example.fields[name].casefold().split()) for name in sorted(example.fields)
    )


def examples_to_json(examples: Iterable[Example]) -> list[list[object]]:
    """Examples as JSON values, for checksums."""
    return [_plain(example) for example in examples]


def _plain(example: Example) -> list[object]:
    """Columns and label, and references and rationales where there are any."""
    lists = (example.references, example.rationales)
    return [dict(example.fields), example.label, *[list(texts) for texts in lists if texts]]
