"""Rows with their own choices, and the forms in which a file names the right one."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from research.common.errors import InputError, choose_from
from research.common.json_io import parse_json
from research.tasks.datasets.tables import StringTable
from research.tasks.row_reader import RowReader, text_of

AnswerForm = Literal["text", "letter", "index"]
FORMS: tuple[AnswerForm, ...] = ("text", "letter", "index")


class ChoiceRow(NamedTuple):
    """A row of a file.

    Attributes:
      number: of the row in its source, from 1.
      fields: columns of the templates.
      choices: the choices in their order; None for an empty one, which the row does not have.
      answer: the cell of the answer.
    """

    number: int
    fields: Mapping[str, str]
    choices: tuple[str | None, ...]
    answer: str

    def right(self, form: AnswerForm, first_index: int) -> str | None:
        """The text of the right choice; None if the answer names no choice in this form."""
        if form == "text":
            return self.answer if self.answer in self.choices else None
        if form == "letter":
            is_letter = len(self.answer) == 1 and self.answer.isascii() and self.answer.isalpha()
            index = ord(self.answer.upper()) - ord("A") if is_letter else -1
        else:
            digits = self.answer.removesuffix(".0")
            index = int(digits) - first_index if digits.isascii() and digits.isdigit() else -1
        return self.choices[index] if 0 <= index < len(self.choices) else None


def choice_rows(
    table: StringTable,
    fields: Sequence[Mapping[str, str]],
    names: Sequence[str],
    answer: str,
    reader: RowReader,
) -> list[ChoiceRow]:
    """The rows of a table.

    Args:
      table: the table.
      fields: columns of the templates of each row.
      names: column with a list of choices, or a column for each.
      answer: column of the right choice.
      reader: cleans the texts.

    Raises InputError for a missing column, and for a cell without the text or list that it needs.
    """
    for name in {name.split(".")[0] for name in names} - {*table.columns}:
        raise InputError(f"column of {table.source}", name, choose_from(table.columns, name))
    skipped = set(table.skipped)
    count = len(table.rows) + len(skipped)
    numbers = [number for number in range(1, count + 1) if number not in skipped]
    rows: list[ChoiceRow] = []
    cells = zip(numbers, table.rows, fields, table.column(answer), strict=True)
    for number, row, values, cell in cells:
        where = f"row {number} of {table.source}"
        choices = _choices(row, names, where, reader)
        rows.append(ChoiceRow(number, values, choices, reader.cleaned(cell)))
    return rows


def _choices(
    row: Mapping[str, object], names: Sequence[str], where: str, reader: RowReader
) -> tuple[str | None, ...]:
    cells = [_inner(row, name, where) for name in names]
    if len(names) == 1:
        cells = _listed(cells[0], names[0], where)
    texts = [None if cell is None else text_of(cell) for cell in cells]
    for name, cell, text in zip([*names] * len(cells), cells, texts, strict=False):
        if cell is not None and text is None:
            raise InputError(f"column {name} in {where}", cell, "texts are expected as choices")
    cleaned = [None if text is None else reader.cleaned(text) for text in texts]
    if len(names) == 1:  # an empty text in a list is a mistake
        return tuple("" if text is None else text for text in cleaned)
    return tuple(text or None for text in cleaned)


def _inner(row: Mapping[str, object], name: str, where: str) -> object:
    """The value of a column, or of a field of the objects in it."""
    first, *rest = name.split(".")
    value = row.get(first)
    for field in rest:
        if not isinstance(value, Mapping) or field not in value:
            raise InputError(f"column {name} in {where}", value, f"it has no field {field!r}")
        value = value[field]
    return value


def _listed(value: object, name: str, where: str) -> list[object]:
    """The choices in a cell: a list, or a text that is one as JSON."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = parse_json(value, parse_int=str, parse_float=str, parse_constant=str)
        except ValueError as error:
            allowed = f"a list of texts as JSON is expected ({error})"
            raise InputError(f"column {name} in {where}", value, allowed) from error
    if not isinstance(value, list | tuple):
        allowed = "a list of texts is expected, or name a column for each choice"
        raise InputError(f"column {name} in {where}", value, allowed)
    return list(value)
