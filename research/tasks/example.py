"""Examples of a task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

Pair = tuple[Mapping[str, str], Sequence[str]]  # (fields, references) of an example


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


def grouped(
    pairs: Iterable[Pair], rationales: Iterable[Sequence[str]] | None = None
) -> tuple[Example, ...]:
    """Examples of (fields, references) pairs; equal inputs are merged, with all references.

    Repeated references are kept.

    Args:
      pairs: the pairs.
      rationales: for each pair the rationale of each of its references; None for none.
    """
    groups: dict[tuple[str, ...], Example] = {}
    before = repeat(()) if rationales is None else rationales
    for (fields, references), reasons in zip(pairs, before, strict=False):
        first = groups.setdefault(text_key(Example(fields, "")), Example(fields, ""))
        texts = (*first.references, *references)
        groups[text_key(first)] = Example(
            first.fields, texts[0] if texts else "", texts, (*first.rationales, *reasons)
        )
    return tuple(groups.values())
