"""Answers from a JSON-lines file, as another program or an API model gave them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from research.common.errors import InputError
from research.common.hashing import sha256
from research.common.paths import resolve_path
from research.evaluation.answer_kinds.kind import AnswerKind, ExternalAnswer
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.answer_sources.answer_rows import AnswerRow, match_rows, read_rows
from research.evaluation.answer_sources.source import (
    UNKNOWN_COSTS,
    ScoredAnswers,
    TokenPrices,
    answered,
)
from research.tasks.example import Example
from research.tasks.task import Task

HIGHEST = 1e-3  # of a log-probability, which rounding may put above 0


@dataclass(frozen=True, kw_only=True)
class AnswersFile(TokenPrices):
    """A file with the answers of an external model to the test rows of each task.

    Attributes:
        file: its path; `{task}` and `{regime}` in it stand for the names of these.
    """

    file: str
    # Fields of the prompt of a row that it uses.
    prompt_fields: ClassVar[tuple[str, ...]] = ()

    def path(self, task: Task, regime: str) -> Path:
        """The path of the file for a task and a regime."""
        name = self.file.replace("{task}", task.name).replace("{regime}", regime)
        return Path(resolve_path(name, "answers.file"))

    def checksum(self, task: Task, regime: str) -> str:
        """The SHA-256 of the file. Raises InputError for a file that cannot be read."""
        return sha256(_content(self.path(task, regime)))

    def open(self, task: Task, regime: str, seed: int) -> "FileSource":
        """The answers for a seed.

        Raises InputError for a file that is no such file, for rows that are missing, surplus,
        duplicate or for other test data, and for answers that the task does not have.
        """
        path = self.path(task, regime)
        rows = read_rows(_content(path), str(path))
        matched = match_rows(rows, task, seed, str(path))
        kind = answer_kind(task)
        answers = {
            split: [_answer(kind, task, row, where) for where, row in of_split]
            for split, of_split in matched.items()
        }
        for of_split in answers.values():
            _check_alike(of_split, str(path))
        return FileSource(task, answers, self)


@dataclass(frozen=True)
class FileSource:
    """The answers of a file, which are those to test splits.

    Attributes:
        task: the task.
        by_split: the answers to the examples of each split that the file answers.
        prices: prices of tokens, for answers without a price of their own.
    """

    task: Task
    by_split: Mapping[str, Sequence[ExternalAnswer]]
    prices: TokenPrices

    @property
    def costs(self) -> Mapping[str, Any]:
        return UNKNOWN_COSTS

    @property
    def demonstrations(self) -> int:
        return 0

    def answer(self, split: str, examples: Sequence[Example]) -> ScoredAnswers | None:
        if split not in self.by_split:
            return None
        return answered(self.task, examples, self.by_split[split], self.prices)


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        allowed = f"a file of answers is expected; it cannot be read ({error.strerror})"
        raise InputError("answers.file", str(path), allowed) from error


def _answer(kind: AnswerKind, task: Task, row: AnswerRow, where: str) -> ExternalAnswer:
    """The answer of a row, checked."""
    text, logprobs = None, None
    if row.answer is not None:
        text = kind.parse_answer(str(row.answer))
        if text is None:
            allowed = kind.allowed_answers(str(row.answer))
            raise InputError(f"{where}: answer", row.answer, allowed)
    if row.logprobs is not None:
        logprobs = _label_logprobs(kind, task, row.logprobs, f"{where}: logprobs")
        likeliest = max(task.labels, key=logprobs.__getitem__)  # ties go to the first
        if text not in (None, likeliest):
            allowed = f"by its logprobs the answer is {likeliest!r}; leave one of the two out"
            raise InputError(f"{where}: answer", row.answer, allowed)
        text = likeliest
    return ExternalAnswer(
        text=text,
        label_logprobs=logprobs,
        prompt_tokens=row.prompt_tokens,
        answer_tokens=row.answer_tokens,
        price=row.price,
    )


def _label_logprobs(
    kind: AnswerKind, task: Task, values: Mapping[str, float], where: str
) -> dict[str, float]:
    """The log-probability of every label, in the order of the labels."""
    if not task.labels:
        raise InputError(where, dict(values), f"task {task.name} has no labels; only answers")
    logprobs: dict[str, float] = {}
    for name, value in values.items():
        label = kind.parse_answer(name)
        if label is None:
            raise InputError(where, name, kind.allowed_answers(name))
        if label in logprobs:
            raise InputError(where, name, f"label {label!r} has a log-probability already")
        if not -math.inf < value <= HIGHEST:
            raise InputError(f"{where}[{name!r}]", value, "a finite number up to 0 is expected")
        logprobs[label] = value
    for label in task.labels:
        if label not in logprobs:
            allowed = f"label {label!r} has none; each label needs a log-probability"
            raise InputError(where, list(logprobs), allowed)
    return {label: logprobs[label] for label in task.labels}


def _check_alike(answers: Sequence[ExternalAnswer], path: str) -> None:
    """Raises InputError unless all answers have log-probabilities or none."""
    has_logprobs = [a.label_logprobs is not None for a in answers if a.text is not None]
    if any(has_logprobs) and not all(has_logprobs):
        share = f"{sum(has_logprobs)} of {len(has_logprobs)}"
        allowed = "either all answers of a split have log-probabilities or none"
        raise InputError(f"{path}: logprobs", share, allowed)
