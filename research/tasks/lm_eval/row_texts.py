"""A row of a task file as texts: its prompt, choices and answers."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from research.common.errors import InputError
from research.tasks.lm_eval.document import DocumentReader, Row, answer_index
from research.tasks.lm_eval.prompt import prompt_text


class RowTexts(NamedTuple):
    """A row as texts.

    Attributes:
      prompt: of the row, with the demonstrations before it.
      question: the prompt without them.
      choices: its choices; none where a text is generated.
      answers: the right choice, or the correct texts.
    """

    prompt: str
    question: str
    choices: tuple[str, ...]
    answers: tuple[str, ...]


class InvalidRow(InputError):
    """A row without a right answer among two different choices at least, or without an answer."""


def row_texts(reader: DocumentReader, before: str, row: Row) -> RowTexts:
    """The texts of a row, of which `before` stands before the prompt.

    Raises InvalidRow, and InputError for a template that fails.
    """
    question = prompt_text(reader, row)
    prompt = before + question
    has_choices = reader.config.doc_to_choice is not None
    choices = reader.choices(row) if has_choices else ()
    target: Any = reader.target(row)
    if reader.config.output_type == "multiple_choice":
        _check_choices(choices)
        return RowTexts(prompt, question, choices, (choices[_right(target, choices)],))
    if has_choices:
        return RowTexts(prompt, question, (), (choices[_right(target, choices)],))
    answers = tuple(map(str, target)) if isinstance(target, list) else (str(target),)
    if target is None or not all(answer.strip() for answer in answers) or not answers:
        raise InvalidRow("doc_to_target", target, "the answer is empty")
    return RowTexts(prompt, question, (), answers)


def _check_choices(choices: Sequence[str]) -> None:
    """Raises InvalidRow unless there are two choices at least, none empty and no two equal."""
    if len(choices) < 2:
        raise InvalidRow("doc_to_choice", list(choices), "at least two choices are expected")
    for number, text in enumerate(choices):
        if not text.strip():
            raise InvalidRow("doc_to_choice", list(choices), f"choice {number} is empty")
        if text in choices[:number]:
            allowed = f"choices {choices.index(text)} and {number} are equal"
            raise InvalidRow("doc_to_choice", list(choices), allowed)


def _right(target: Any, choices: Sequence[str]) -> int:
    """The index of the right choice. Raises InvalidRow where there is none."""
    try:
        return answer_index(target, choices)
    except InputError as error:
        raise InvalidRow(error.field, error.value, error.allowed) from error
