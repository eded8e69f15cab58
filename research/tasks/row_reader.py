"""Reads the values of a row as texts, in files and in requests alike."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from research.common.errors import InputError, choose_from


def text_of(value: object) -> str | None:
    """A text, a number or a truth value as text; None for anything else, such as a missing value.

    Numbers become decimal, truth values `true` and `false`. NaN is a missing value.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float) or value != value:
        return None
    return str(value)


@dataclass(frozen=True)
class RowReader:
    """Reads the columns of a row.

    Attributes:
      strip: removes white space around texts.
    """

    strip: bool = True

    def cleaned(self, text: str) -> str:
        """The text, without white space around it if `strip` is set."""
        return text.strip() if self.strip else text

    def fields(self, row: Mapping[str, object], names: Iterable[str]) -> dict[str, str]:
        """The columns `names` of a row. Raises InputError if one is missing or is not a text."""
        fields = {}
        for name in names:
            if name not in row:
                raise InputError("column", name, f"the row lacks it; {choose_from(row, name)}")
            text = text_of(row[name])
            if text is None:
                allowed = f"a text or a number is expected, and the row has {row[name]!r} there"
                raise InputError("column", name, allowed)
            fields[name] = self.cleaned(text)
        return fields
