"""Groups and agreement, against numbers worked out by hand."""

import numpy as np
import pytest

from research.stats.groups import (
    GroupScore,
    agreement,
    by_length,
    group_scores,
    seed_agreement,
    worst,
)

RIGHT = np.array([1, 1, 0, 1, 0, 0], bool)
NAMES = ("a", "b", "b", "a", "c", "b")


def test_the_share_of_right_answers_in_each_group():
    found = group_scores(RIGHT, NAMES)
    assert found == {
        "a": GroupScore(1.0, 2),
        "b": GroupScore(pytest.approx(1 / 3), 3),
        "c": GroupScore(0.0, 1),
    }


def test_seeds_are_averaged_before_the_worst_is_looked_for():
    """The second group is the worst of no seed alone twice, and of their mean."""
    seeds = np.array([[1, 0, 1, 1, 0, 0], [0, 1, 1, 1, 1, 0]])
    found = group_scores(seeds, ("a", "a", "b", "b", "c", "c"))
    assert found == {"a": GroupScore(0.5, 2), "b": GroupScore(1.0, 2), "c": GroupScore(0.25, 2)}
    assert worst(found, least=2) == "c"


def test_small_groups_are_not_the_worst():
    found = group_scores(RIGHT, NAMES)
    assert worst(found, least=1) == "c"
    assert worst(found, least=2) == "b"
    assert worst(found, least=3) is None  # one group alone is no worst
    assert worst(found) is None


def test_of_equal_groups_the_first_is_the_worst():
    assert worst({"b": GroupScore(0.5, 12), "a": GroupScore(0.5, 12)}) == "b"


def test_lengths_are_cut_at_their_tertiles():
    assert by_length([9, 1, 2, 8, 5, 4]) == ["long", "short", "short", "long", "medium", "medium"]


def test_equal_lengths_are_never_apart():
    assert set(by_length([7] * 9)) == {"short"}
    assert by_length([1, 1, 1, 1, 5, 6]) == ["short"] * 4 + ["long"] * 2


def test_agreement_is_the_mean_over_pairs():
    one, two, three = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0]), np.array([1, 1, 0, -1])
    assert agreement(one, two) == 0.75
    assert seed_agreement([one, two, three]) == pytest.approx((0.75 + 0.25 + 0.5) / 3)
    assert seed_agreement([one]) is None
    assert agreement(one / 2, one / 2) is None and seed_agreement([one / 2, two / 2]) is None


def test_answers_may_be_texts():
    assert agreement(np.array(["a b", "c"], object), np.array(["a b", "d"], object)) == 0.5
