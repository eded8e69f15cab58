"""Scores of groups of test items: a mean may hide the group that a model fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

LEAST = 10  # items of a group that is called the worst; fewer say too little
LENGTHS = ("short", "medium", "long")


@dataclass(frozen=True)
class GroupScore:
    """The share of right answers among `count` items."""

    score: float
    count: int


def group_scores(right: np.ndarray, groups: Sequence[str]) -> dict[str, GroupScore]:
    """The share of right answers in each group, by name.

    right: [I], or [S, I] of several seeds; True, or between 0 and 1. groups: [I] names.
    """
    names = np.asarray(groups)
    values = np.asarray(right, np.float64)
    return {
        str(name): GroupScore(float(values[..., names == name].mean()), int((names == name).sum()))
        for name in np.unique(names)
    }


def by_length(lengths: Sequence[int]) -> list[str]:
    """Thirds of the items: which are `short`, `medium` and `long`.

    The cuts are the tertiles of all lengths; items as long as a cut belong below it, so that
    equal lengths are never apart.
    """
    lengths = list(lengths)
    cuts = np.quantile(lengths, (1 / 3, 2 / 3), method="inverted_cdf")
    return [LENGTHS[int(place)] for place in np.searchsorted(cuts, lengths, side="left")]


def worst(found: Mapping[str, GroupScore], least: int = LEAST) -> str | None:
    """The name of the group with the lowest score; None unless two groups have `least` items.

    Of equals the one that comes first.
    """
    large = [name for name, share in found.items() if share.count >= least]
    return min(large, key=lambda name: found[name].score) if len(large) > 1 else None


def agreement(first: np.ndarray, second: np.ndarray) -> float | None:
    """The share of items for which two predictions [I] are the same; None for numbers, which are
    hardly ever.
    """
    one, other = np.asarray(first), np.asarray(second)
    return None if np.issubdtype(one.dtype, np.floating) else float(np.mean(one == other))


def seed_agreement(predicted: Sequence[np.ndarray]) -> float | None:
    """The mean of `agreement` over all pairs of seeds; None for one seed, and for numbers."""
    pairs = [agreement(a, b) for i, a in enumerate(predicted) for b in predicted[i + 1 :]]
    known = [share for share in pairs if share is not None]
    return float(np.mean(known)) if known else None
