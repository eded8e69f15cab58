"""Scores of groups of test items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 10  # minimum number of items of a worst group
LENGTHS = ("short", "medium", "long")


@dataclass(frozen=True)
class GroupScore:
    """The score of a group.

    Attributes:
        score: Share of right answers.
        count: Number of items.
    """

    score: float
    count: int


def group_scores(right: np.ndarray, groups: Sequence[str]) -> dict[str, GroupScore]:
    """The share of right answers in each group, by name.

    Args:
        right: [I], or [S, I] of several seeds; booleans, or numbers between 0 and 1.
        groups: [I], the name of each item's group.
    """
    names = np.asarray(groups)
    values = np.asarray(right, np.float64)
    return {
        str(name): GroupScore(float(values[..., names == name].mean()), int((names == name).sum()))
        for name in np.unique(names)
    }


def by_length(lengths: Sequence[int]) -> list[str]:
    """The third of each item by length: `short`, `medium` or `long`.

    The thresholds are the tertiles of all lengths. An item exactly as long as a threshold belongs
    to the shorter group, so items of equal length are in one group.
    """
    lengths = list(lengths)
    cuts = np.quantile(lengths, (1 / 3, 2 / 3), method="inverted_cdf")
    return [LENGTHS[int(third)] for third in np.searchsorted(cuts, lengths, side="left")]


def worst(scores: Mapping[str, GroupScore], least: int = LEAST) -> str | None:
    """The name of the group with the lowest score; None unless two groups have `least` items.

    The first of several equal ones.
    """
    large = [name for name, group in scores.items() if group.count >= least]
    return min(large, key=lambda name: scores[name].score) if len(large) > 1 else None


def agreement(first: np.ndarray, second: np.ndarray) -> float | None:
    """The share of items with equal predictions [I]; None for floats, which are rarely equal."""
    first, second = np.asarray(first), np.asarray(second)
    return None if np.issubdtype(first.dtype, np.floating) else float(np.mean(first == second))


def seed_agreement(predicted: Sequence[np.ndarray]) -> float | None:
    """The mean of `agreement` over all pairs of seeds; None for one seed, and for floats."""
    pairs = [agreement(a, b) for i, a in enumerate(predicted) for b in predicted[i + 1 :]]
    shares = [share for share in pairs if share is not None]
    return float(np.mean(shares)) if shares else None
