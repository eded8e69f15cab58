"""Prompt templates: fixed text with the columns of an example in braces."""

import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from research.common.errors import InputError, choose_from


@dataclass(frozen=True)
class Template:
    r"""A text such as `"Review: {text}\nSentiment:"`; `{{` and `}}` are literal braces.

    Raises InputError for a text without a column or with broken braces.
    """

    text: str

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError(
                "template", self.text, "it names no column; write one between braces, as in {text}"
            )

    @cached_property
    def pieces(self) -> tuple[tuple[str, str | None], ...]:
        """(fixed text, column that follows it or None), in order."""
        try:
            parsed = list(string.Formatter().parse(self.text))
        except ValueError as error:
            allowed = f"{error}; literal braces are written {{{{ and }}}}"
            raise InputError("template", self.text, allowed) from error
        for _, name, spec, conversion in parsed:
            if name == "" or spec or conversion:
                allowed = "between braces stands the name of a column and nothing else"
                raise InputError("template", self.text, allowed)
        return tuple((fixed, name) for fixed, name, _, _ in parsed)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns used, each once, in order of first use."""
        return tuple(dict.fromkeys(name for _, name in self.pieces if name is not None))

    @cached_property
    def ending(self) -> str:
        """The fixed text after the last column."""
        last = max(i for i, (_, name) in enumerate(self.pieces) if name is not None)
        return "".join(fixed for fixed, _ in self.pieces[last + 1 :])

    def check(self, columns: Iterable[str]) -> None:
        """Raises InputError for a column that is not among `columns`, with the nearest name."""
        columns = tuple(columns)
        for name in self.names:
            if name not in columns:
                allowed = f"no column {name!r}; {choose_from(columns, name)}"
                raise InputError("template", self.text, allowed)

    def fill(self, fields: Mapping[str, str]) -> str:
        """The prompt of an example; values are inserted verbatim, including braces.

        White space at the end is removed where the template ends in a column.
        """
        self.check(fields)
        filled = [fixed + ("" if name is None else fields[name]) for fixed, name in self.pieces]
        text = "".join(filled)
        return text if self.ending else text.rstrip()


def plain_templates(columns: Sequence[str], label: str) -> tuple[str, ...]:
    """Three default templates, made from the names of the columns."""
    bare = "\n".join(f"{{{column}}}" for column in columns)
    named = "\n".join(f"{column}: {{{column}}}" for column in columns)
    return f"{bare}\n{label}:", f"{named}\n{label}:", f"{named}\nThe {label} is"
