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
      choices: the texts to choose from where each example has its own; the label is one of them.
    """

    fields: Mapping[str, str]
    label: str
    references: tuple[str, ...] = ()
    rationales: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All columns, joined by spaces."""
        return " ".join(self.fields.values())

    @property
    def right_choice(self) -> int:
        """Index of the right choice."""
        return self.choices.index(self.label)


def text_key(example: Example) -> tuple[str, ...]:
    """Key of an example: equal keys mean equal fields and choices, ignoring case and white space.

    The order of the choices makes no difference.
    """
    fields = (example.fields[name] for name in sorted(example.fields))
    return (*map(_plain_text, fields), *sorted(map(_plain_text, example.choices)))


def _plain_text(text: str) -> str:
    """The text without differences of case and white space."""
    return " ".join(text.casefold().split())


def examples_to_json(examples: Iterable[Example]) -> list[list[object]]:
    """Examples as JSON values, for checksums."""
    return [_plain(example) for example in examples]


def _plain(example: Example) -> list[object]:
    """Columns and label, and references, rationales and choices where there are any."""
    lists = (example.references, example.rationales)
    choices = [{"choices": list(example.choices)}] if example.choices else []
    texts = [list(texts) for texts in lists if texts]
    return [dict(example.fields), example.label, *texts, *choices]


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
