"""Rows of an answers file, matched with the test examples of a task."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from research.common.config import build
from research.common.errors import InputError, check_choice, check_whole
from research.common.json_io import parse_json
from research.evaluation.answer_sources.questions import input_hash
from research.tasks.example import Example
from research.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class AnswerRow:
    """A row of an answers file; `input_hash` and `input` identify the example it answers.

    Attributes:
        split: the test split.
        index: index of the example in the split; None to find it by its input.
        hash: `input_hash` of the example.
        input: the columns of the example.
        prompt: the prompt, which is not used.
        seed: the seed that the answer is for; None for all seeds.
        answer: a label or its text, a text or a number; None for no answer.
        logprobs: log-probability of each label, by the label or its text.
        prompt_tokens: tokens before the answer.
        answer_tokens: tokens of the answer.
        price: price of the answer.

    Raises InputError for numbers that are out of range.
    """

    split: str = "test"
    index: int | None = None
    hash: str | None = None
    input: Mapping[str, str] | None = None
    prompt: str | None = None
    seed: int | None = None
    answer: str | int | float | None = None
    logprobs: Mapping[str, float] | None = None
    prompt_tokens: int | None = None
    answer_tokens: int | None = None
    price: float | None = None

    def __post_init__(self) -> None:
        for name in ("index", "seed", "prompt_tokens", "answer_tokens"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name), least=0)
        if self.price is not None and not 0 <= self.price < math.inf:
            raise InputError("price", self.price, "a finite number from 0 is expected")


LocatedRow = tuple[str, AnswerRow]  # (file and line, row)


def read_rows(content: bytes, path: str) -> list[LocatedRow]:
    """The rows of a JSON-lines file; empty lines are skipped.

    Raises InputError, which names the line, for a line that is not a row.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError("answers.file", path, f"UTF-8 is expected ({error.reason})") from error
    lines = enumerate(text.split("\n"), start=1)
    return [_row(line, f"{path}, line {number}") for number, line in lines if line.strip()]


def _row(line: str, where: str) -> LocatedRow:
    try:
        values = parse_json(line, parse_constant=_refuse)
    except ValueError as error:
        allowed = f"a JSON object in one line is expected ({error})"
        raise InputError(where, line, allowed) from error
    row = build(AnswerRow, values, where)
    if "answer" not in values and "logprobs" not in values:
        allowed = "it has neither `answer` nor `logprobs`; an answer of null stands for no answer"
        raise InputError(where, sorted(values), allowed)
    return where, row


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def match_rows(
    rows: Sequence[LocatedRow], task: Task, seed: int, path: str
) -> dict[str, list[LocatedRow]]:
    """The row of each example, by test split; only `test` has to be answered.

    Args:
        rows: the rows of the file.
        task: the task.
        seed: rows for other seeds are left out.
        path: path of the file, for errors.

    Raises InputError for rows that are missing, surplus or duplicate, and for other test data.
    """
    of_seed = [(where, row) for where, row in rows if row.seed in (None, seed)]
    by_split: dict[str, list[LocatedRow]] = {"test": []}
    for where, row in of_seed:
        check_choice(f"{where}: split", row.split, task.tests)
        by_split.setdefault(row.split, []).append((where, row))
    return {
        split: _match_split(of_split, split, task.tests[split], seed, path)
        for split, of_split in by_split.items()
    }


def _match_split(
    rows: Sequence[LocatedRow], split: str, examples: Sequence[Example], seed: int, path: str
) -> list[LocatedRow]:
    """The rows in the order of the examples. Rows with an index are matched first."""
    hashes = [input_hash(example.fields) for example in examples]
    by_index: dict[int, LocatedRow] = {}
    for where, row in rows:
        if row.index is not None:
            _check_index(row, row.index, where, split, hashes)
            if row.index in by_index:
                allowed = f"{by_index[row.index][0]} answers example {row.index} of {split} already"
                raise InputError(f"{where}: answer", row.answer, allowed)
            by_index[row.index] = where, row
    free: dict[str, deque[int]] = {hash: deque() for hash in hashes}
    for index, hash in enumerate(hashes):
        if index not in by_index:
            free[hash].append(index)
    for where, row in rows:
        if row.index is None:
            by_index[_free_index(row, where, split, free)] = where, row
    missing = [index for index in range(len(examples)) if index not in by_index]
    if missing:
        allowed = (
            f"{len(missing)} of the {len(examples)} examples of {split} have no answer for seed "
            f"{seed}; the first is example {missing[0]}, {dict(examples[missing[0]].fields)!r}"
        )
        raise InputError("answers.file", path, allowed)
    return [by_index[index] for index in range(len(examples))]


def _check_index(row: AnswerRow, index: int, where: str, split: str, hashes: Sequence[str]) -> None:
    """Raises InputError unless the example of this index has the row's input."""
    if index >= len(hashes):
        allowed = f"{split} has the examples 0 to {len(hashes) - 1}"
        raise InputError(f"{where}: index", index, allowed)
    if (hash := _hash(row, where)) != hashes[index]:
        allowed = f"example {index} of {split} has {hashes[index]!r}; the row is for another input"
        raise InputError(f"{where}: hash", hash, allowed)


def _free_index(row: AnswerRow, where: str, split: str, free: Mapping[str, deque[int]]) -> int:
    """Removes the first example with the row's input from `free`, and returns it."""
    hash = _hash(row, where)
    key = hash if row.input is None else dict(row.input)
    if hash not in free:
        raise InputError(f"{where}: input", key, f"no example of {split} has this input")
    if not free[hash]:
        allowed = f"other rows answer all examples of {split} with this input"
        raise InputError(f"{where}: input", key, allowed)
    return free[hash].popleft()


def _hash(row: AnswerRow, where: str) -> str:
    """The hash of the row's input."""
    of_input = None if row.input is None else input_hash(row.input)
    hashes = {hash for hash in (row.hash, of_input) if hash is not None}
    if not hashes:
        allowed = "`hash` or `input` has to identify the example, as in the questions file"
        raise InputError(where, row.index, allowed)
    if len(hashes) > 1:
        raise InputError(f"{where}: hash", row.hash, f"its input has the hash {of_input!r}")
    return hashes.pop()
