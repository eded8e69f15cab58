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
    """

    fields: Mapping[str, str]
    label: str
    references: tuple[str, ...] = ()

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
    return [
        [dict(e.fields), e.label, *([list(e.references)] if e.references else [])] for e in examples
    ]
