"""The texts of prompts, equal to those of lm-evaluation-harness without a chat template."""

from collections.abc import Sequence
from typing import Any

from research.common.errors import InputError
from research.tasks.lm_eval.document import DocumentReader, Row


def with_delimiter(before: str | None, after: str | None, delimiter: str) -> str:
    """Both texts, with the delimiter between them where neither has white space there."""
    if not before or not after:
        return before or after or ""
    spaced = before[-1].isspace() or after[0].isspace()
    return before + ("" if spaced else delimiter) + after


def prompt_text(reader: DocumentReader, row: Row) -> str:
    """The prompt of a row, without description and demonstrations."""
    question, prefix = _question(reader, row), reader.prefix(row)
    return with_delimiter(question, prefix, reader.config.target_delimiter) if prefix else question


def answered_prompt(reader: DocumentReader, row: Row) -> str:
    """A row with its answer, and the delimiter after it.

    Args:
      reader: of demonstrations.
      row: the demonstration.
    """
    config = reader.config
    question, prefix = _question(reader, row), reader.prefix(row)
    answer = _answer(reader, row)
    if answer == "":
        return with_delimiter(question, prefix, config.target_delimiter) if prefix else question
    spaced = bool(prefix) and (not question or question[-1].isspace() or prefix[0].isspace())
    between = "" if spaced else config.target_delimiter
    return question + between + with_delimiter(prefix, answer, " ") + config.fewshot_delimiter


def _question(reader: DocumentReader, row: Row) -> str:
    question = reader.question(row)
    if not isinstance(question, str):
        allowed = "an index: each choice is a prompt of its own, which is not supported"
        raise InputError("doc_to_text", question, allowed)
    return question


def _answer(reader: DocumentReader, row: Row) -> str:
    """The answer of a demonstration; the first of several."""
    target: Any = reader.target(row)
    if isinstance(target, int) and reader.config.doc_to_choice is not None:
        choices = reader.choices(row)
        if not -len(choices) <= target < len(choices):
            allowed = f"an index from 0 to {len(choices) - 1} is expected"
            raise InputError("doc_to_target", target, allowed)
        return choices[target]
    if isinstance(target, list) and target:
        target = target[0]
    if target is None:
        return ""
    if not isinstance(target, str):
        raise InputError("doc_to_target", target, "the answer of a demonstration is a text")
    return target


def demonstrations_text(reader: DocumentReader, rows: Sequence[Row]) -> str:
    """The texts of demonstrations, one after the other."""
    return "".join(answered_prompt(reader, row) for row in rows)
