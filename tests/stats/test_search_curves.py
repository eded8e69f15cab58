"""What trials came to on dev, against plain enumeration and analyses of variance."""

import itertools
import math
import statistics

import numpy as np
import pytest
from scipy import interpolate, stats

from research.stats.search_curves import best_of, enough, expected_best, noise, plateau

DEV = [0.50, 0.61, 0.58, 0.605, 0.42]
RATES = [1e-4, 1e-3, 1e-2, 1e-1]


@pytest.mark.parametrize("scores", [DEV, [0.3], [0.5, 0.5, 0.5], [0.1, 0.9], [-0.2, 0.3, 0.0]])
def test_the_expected_best_is_the_mean_over_all_orders(scores):
    orders = list(itertools.permutations(scores))
    for k in range(1, len(scores) + 1):
        plain = statistics.fmean(max(order[:k]) for order in orders)
        assert expected_best(scores, k) == pytest.approx(plain, abs=1e-12)
    assert best_of(scores) == [expected_best(scores, k) for k in range(1, len(scores) + 1)]
    assert best_of(scores)[-1] == max(scores)
    assert best_of(scores)[0] == pytest.approx(statistics.fmean(scores))


def test_it_is_unbiased_where_drawing_with_replacement_is_not():
    """Of 6 normal trials the best of 4 is expected as among endless ones."""
    drawn = np.sort(np.random.default_rng(0).normal(size=(20_000, 6)), axis=1)
    weights = [expected_best([0.0] * i + [1.0] * (6 - i), 4) for i in range(7)]
    ours = drawn @ -np.diff(weights)
    shares = (np.arange(7) / 6) ** 4  # the paper's equation, of an empirical distribution
    theirs = drawn @ np.diff(shares)
    true = stats.norm.expect(lambda x: 4 * x * stats.norm.cdf(x) ** 3)
    assert ours.mean() == pytest.approx(true, abs=0.02)
    assert theirs.mean() < true - 0.1
    assert [*map(expected_best, drawn[:5].tolist(), [4] * 5)] == pytest.approx(ours[:5])


def test_enough_trials_come_within_a_point_of_the_best():
    curve, k = best_of(DEV), enough(DEV)
    assert max(DEV) - curve[k - 1] <= 0.01 < max(DEV) - curve[k - 2]
    assert enough([0.5, 0.5]) == 1 and enough([0.5, 0.51]) == 1 and enough([0.5, 0.6]) == 2


def test_a_large_search_neither_overflows_nor_loses_digits():
    scores = np.random.default_rng(0).random(1000).tolist()
    curve = [expected_best(scores, k) for k in (1, 10, 100, 999, 1000)]
    assert curve == sorted(curve) and curve[-1] == max(scores)
    draw = np.random.default_rng(1)
    drawn = [max(draw.choice(scores, 10, replace=False)) for _ in range(4000)]
    assert curve[1] == pytest.approx(np.mean(drawn), abs=0.005)


def test_a_plateau_is_where_a_line_through_the_scores_is_high_enough():
    """Against a fine grid of points on the line; the second hill does not count."""
    rates, scores = [*RATES, 1.0, 10.0], [0.5, 0.84, 0.9, 0.6, 0.895, 0.5]
    found = plateau(rates, scores, within=0.08)
    x = np.linspace(-4, 1, 500_001)
    line = interpolate.make_interp_spline(np.log10(rates), scores, k=1)(x)
    inside = x[(line >= 0.82) & (x < -1)]
    edges = (math.log10(found.low), math.log10(found.high))
    assert edges == pytest.approx((inside[0], inside[-1]), abs=1e-4)
    assert found.decades == pytest.approx(inside[-1] - inside[0], abs=1e-4)
    assert (found.inside, found.tried, found.best) == (2, 6, 1e-2)
    assert not (found.below or found.above or found.at_end)
    shuffled = [3, 0, 5, 2, 4, 1]
    assert plateau([rates[i] for i in shuffled], [scores[i] for i in shuffled], 0.08) == found


@pytest.mark.parametrize(
    ("scores", "low", "high", "inside", "below", "above", "at_end"),
    [
        ([0.9, 0.9, 0.9, 0.9], 1e-4, 1e-1, 4, True, True, False),
        ([0.9, 0.5, 0.5, 0.5], 1e-4, 10**-3.975, 1, True, False, True),
        ([0.5, 0.5, 0.89, 0.9], 10**-2.0, 1e-1, 2, False, True, True),
        ([0.5, 0.9, 0.9, 0.895], 10**-3.025, 1e-1, 3, False, True, False),
        ([0.9, 0.5, 0.9, 0.5], 10**-2.025, 10**-1.975, 1, False, False, False),
    ],
)
def test_where_a_plateau_ends(scores, low, high, inside, below, above, at_end):
    found = plateau(RATES, scores, within=0.01)
    assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert (found.inside, found.tried) == (inside, 4)
    assert (found.below, found.above, found.at_end) == (below, above, at_end)


def test_the_noise_is_that_of_paired_differences():
    """Of two trials it is the standard error of the paired t test; of more, by draws."""
    rng = np.random.default_rng(2)
    pair = rng.normal(size=(2, 7))
    assert noise([pair]) == pytest.approx(stats.sem(pair[0] - pair[1]))
    seeds = 5 * rng.normal(size=(3000, 1, 4))  # what they do to all trials alike
    tables = np.arange(3.0)[:, None] + seeds + 0.3 * rng.normal(size=(3000, 3, 4))
    differences = np.diff(tables.mean(2), axis=1)[:, 0] - 1
    assert noise(list(tables)) == pytest.approx(differences.std(), rel=0.03)
    assert noise([pair[:, :1], pair[:1]]) == 0 == noise([])


def test_the_noise_of_unlike_cells_counts_by_degrees_of_freedom():
    rng = np.random.default_rng(3)
    small, large = rng.normal(size=(2, 3)), rng.normal(size=(4, 3))
    mixed = (2 * noise([small]) ** 2 + 6 * noise([large]) ** 2) / 8
    assert noise([small, large]) ** 2 == pytest.approx(mixed)
