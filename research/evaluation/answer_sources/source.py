"""The protocol of an answer source: what answers a task's examples without the backbone."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from research.common.config import resolved
from research.common.errors import InputError
from research.evaluation.answer_kinds.kind import Answers, ExternalAnswer
from research.evaluation.answer_kinds.select import answer_kind
from research.tasks.example import Example
from research.tasks.task import Task

MILLION = 1_000_000
# Costs of training and storage of an external model.
UNKNOWN_COSTS: Mapping[str, Any] = {
    "trained_params": None,
    "stored_bytes": None,
    "added_tokens": None,
}


class ScoredAnswers(NamedTuple):
    """The answers to a split, and their costs.

    Attributes:
        answers: the answers.
        seconds: seconds of answering all examples; None where they are not known.
        request_tokens: tokens before the answer, mean over the examples; None where they are not
            known.
        request_price: price of an answer, mean over the examples; None where it is not known.
    """

    answers: Answers
    seconds: float | None
    request_tokens: float | None = None
    request_price: float | None = None


class AnswerSource(Protocol):
    """Answers the examples of a task without the backbone."""

    @property
    def costs(self) -> Mapping[str, Any]:
        """The costs of training and storage, fields of `Costs`."""
        ...

    @property
    def demonstrations(self) -> int:
        """Number of demonstrations before each example."""
        ...

    def answer(self, split: str, examples: Sequence[Example]) -> ScoredAnswers | None:
        """The answers to the examples of a split; None where the source does not answer it."""
        ...


@dataclass(frozen=True, kw_only=True)
class TokenPrices:
    """Prices of the tokens of an external model, both or none of them.

    Attributes:
        input_price: price of a million tokens before the answers.
        output_price: price of a million tokens of answers.

    Raises InputError for an invalid price, and for one price without the other.
    """

    input_price: float | None = None
    output_price: float | None = None

    def __post_init__(self) -> None:
        for name, price in (("input_price", self.input_price), ("output_price", self.output_price)):
            if price is not None and not 0 <= price < math.inf:
                raise InputError(name, price, "a finite number from 0 is expected")
        if (self.input_price is None) != (self.output_price is None):
            prices = {name: resolved(self)[name] for name in ("input_price", "output_price")}
            raise InputError("prices", prices, "either both prices are set or none")

    def price(self, answer: ExternalAnswer) -> float | None:
        """The price of an answer: its own, else that of its tokens; None where it is not known."""
        if answer.price is not None:
            return answer.price
        tokens = answer.prompt_tokens, answer.answer_tokens
        if self.input_price is None or self.output_price is None or None in tokens:
            return None
        before, after = (count or 0 for count in tokens)
        return (before * self.input_price + after * self.output_price) / MILLION


def answered(
    task: Task,
    examples: Sequence[Example],
    answers: Sequence[ExternalAnswer],
    prices: TokenPrices,
) -> ScoredAnswers:
    """The scored answers of an external model, one for each example, and their mean costs."""
    seconds = [answer.seconds for answer in answers if answer.seconds is not None]
    return ScoredAnswers(
        answers=answer_kind(task).judge(answers, examples),
        seconds=sum(seconds) if len(seconds) == len(answers) else None,
        request_tokens=_mean(answer.prompt_tokens for answer in answers),
        request_price=_mean(map(prices.price, answers)),
    )


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean; None where a value is not known."""
    numbers = [math.nan if value is None else value for value in values]
    mean = sum(numbers) / len(numbers)
    return None if math.isnan(mean) else mean
