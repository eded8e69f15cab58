"""Demonstrations of lm-evaluation-harness's own sampler."""

import pytest

from research.common.errors import InputError
from research.tasks.lm_eval.sampler import DemonstrationSampler

POOL = [{"number": number} for number in range(20)]


def numbers(rows):
    return [row["number"] for row in rows]


def test_rows_are_sampled_one_after_the_other():
    # random.Random(1234).sample(range(20), 3), three times
    sampler = DemonstrationSampler(POOL, 3, "default", excludes=False)
    chosen = [numbers(sampler.choose({"number": 50})) for _ in range(3)]
    assert chosen == [[14, 3, 0], [2, 18, 1], [2, 3, 11]]


def test_a_row_is_no_demonstration_of_itself():
    # random.Random(1234).sample(range(20), 4) is 14, 3, 0, 2.
    sampler = DemonstrationSampler(POOL, 3, "default", excludes=True)
    assert numbers(sampler.choose({"number": 3})) == [14, 0, 2]
    first = DemonstrationSampler(POOL, 3, "first_n", excludes=True)
    assert numbers(first.choose({"number": 1})) == [0, 2, 3]


def test_equal_rows_are_drawn_again():
    pool = [{"number": 0}] * 3 + [{"number": 1}, {"number": 2}]
    sampler = DemonstrationSampler(pool, 2, "default", excludes=True)
    for _ in range(5):
        assert sorted(numbers(sampler.choose({"number": 0}))) == [1, 2]


def test_no_demonstrations_need_no_pool():
    assert DemonstrationSampler((), 0, "default", excludes=False).choose({}) == []


def test_a_pool_that_is_too_small_is_refused():
    with pytest.raises(InputError, match="20 rows to choose 21"):
        DemonstrationSampler(POOL, 20, "default", excludes=True)
    with pytest.raises(InputError, match="allowed are default, first_n"):
        DemonstrationSampler(POOL, 2, "random", excludes=True)
