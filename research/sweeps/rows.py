"""Rows that many experiments have, as the plain data of a config."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]


def zero_shot() -> Row:
    """The prompt alone; dev chooses one of the task's templates."""
    return dict(name="zero-shot prompt", trials="templates")


def few_shot(draws: int) -> Row:
    """As many demonstrations as fit the context; dev chooses one of several draws of them."""
    trials = [dict(draw=i) for i in range(draws)]
    return dict(name="few-shot prompt", demonstrations="fit", trials=trials)


def trained(name: str, method: Mapping[str, Any], learning_rates: tuple[float, ...]) -> Row:
    """One stage, its learning rate chosen on dev."""
    trials = [dict(learning_rate=rate) for rate in learning_rates]
    return dict(name=name, stages=[dict(method=method)], trials=trials)


def with_head(
    name: str,
    methods: Sequence[Mapping[str, Any]],
    learning_rates: tuple[float, ...],
    pool: str = "first",
) -> Row:
    """One stage that trains a classification head and `methods`, if any, together."""
    together = [dict(name="head", pool=pool), *methods]
    trials = [dict(learning_rate=rate) for rate in learning_rates]
    return dict(name=name, stages=[dict(methods=together)], trials=trials)
