"""Baselines of generation that need no language model: they give a target of training again."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from research.errors import InputError
from research.tasks.nearest import nearness


@dataclass(frozen=True)
class FittedTexts:
    """A baseline with what it keeps. `write(texts)` is a text for each; the rest are its costs."""

    write: Callable[[Sequence[str]], list[str]]
    stored_bytes: int
    seconds: float
    trained_params: int = 0


def most_common_target(texts: Sequence[str], targets: Sequence[str]) -> FittedTexts:
    """The target that stands most often in training, for every text; of equals the first."""
    started = time.perf_counter()
    _check(texts, targets)
    [(target, _)] = Counter(targets).most_common(1)
    seconds = time.perf_counter() - started
    return FittedTexts(lambda new: [target] * len(new), len(target.encode()), seconds)


def target_of_nearest(texts: Sequence[str], targets: Sequence[str]) -> FittedTexts:
    """The target of the training text that is nearest, see `nearness`; of equals the first. Kept
    are all texts and targets.
    """
    started = time.perf_counter()
    _check(texts, targets)
    near = nearness(texts)

    def write(new: Sequence[str]) -> list[str]:
        return [targets[int(place)] for place in np.argmax(near(new), axis=1)]

    stored = sum(len(text.encode()) for text in (*texts, *targets))
    return FittedTexts(write, stored, time.perf_counter() - started)


def _check(texts: Sequence[str], targets: Sequence[str]) -> None:
    if not len(texts) or len(texts) != len(targets):
        allowed = f"one for each of the {len(texts)} texts, at least one"
        raise InputError("targets", len(targets), allowed)
