import numpy as np
import pytest
from scipy import stats

from research.reporting.statistics import (
    holm,
    indistinguishable,
    influences,
    interval,
    paired_p,
    variance,
)
from research.sweeps.predictions import Predictions
from research.tasks.metrics import METRICS


def answers(seeds=4, items=50, classes=3, seed=0, none=False):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=items)
    noise = rng.integers(-1 if none else 0, classes, size=(seeds, items))
    return np.where(rng.random((seeds, items)) < 0.6, gold, noise), gold


def answered(predicted, gold):
    scores = np.zeros((len(gold), 3))
    return [Predictions(("a", "b", "c"), gold, row, scores) for row in predicted]


def right(rng, odds, seed_sd, item_sd, seeds=5, items=300, hard=None):
    """Crossed answers: right with log-odds `odds` plus what the seed and the item add."""
    hard = rng.normal(size=items) if hard is None else hard
    z = odds + seed_sd * rng.normal(size=(seeds, 1)) + item_sd * hard[None, :]
    return (rng.random((seeds, items)) < 1 / (1 + np.exp(-z))).astype(float)


def expected(odds, seed_sd, item_sd):
    """The true mean of `right`, by Gauss-Hermite quadrature."""
    x, weights = np.polynomial.hermite_e.hermegauss(101)
    p = 1 / (1 + np.exp(-(odds + np.hypot(seed_sd, item_sd) * x)))
    return float(weights @ p / weights.sum())


def test_the_influence_on_accuracy_is_being_right():
    predicted, gold = answers(none=True)
    np.testing.assert_allclose(
        influences(answered(predicted, gold), "accuracy"), predicted == gold[None, :], atol=1e-12
    )


@pytest.mark.parametrize("metric", METRICS)
def test_influences_are_deletions_of_single_items(metric):
    predicted, gold = answers(none=True)
    score = METRICS[metric]
    found = influences(answered(predicted, gold), metric)
    np.testing.assert_allclose(found.mean(1), score(predicted, gold, 3))
    items = len(gold)
    for row, influence in zip(predicted, found, strict=True):
        deleted = np.array([score(np.delete(row, i), np.delete(gold, i), 3) for i in range(items)])
        jackknife = (items - 1) / items * ((deleted - deleted.mean()) ** 2).sum()
        np.testing.assert_allclose(influence.var(ddof=1) / items, jackknife)


@pytest.mark.parametrize("metric", ["macro_f1", "matthews"])
def test_the_variance_is_that_of_new_samples(metric):
    """The jackknife's standard error against the spread over fresh draws of the items."""
    scores, errors = [], []
    for draw in range(300):
        predicted, gold = answers(seeds=1, items=200, seed=draw)
        influence = influences(answered(predicted, gold), metric)
        scores.append(influence.mean())
        errors.append(variance(influence)[0])
    assert np.mean(errors) == pytest.approx(np.var(scores), rel=0.2)


def test_the_variance_is_the_analysis_of_variance():
    u = np.random.default_rng(0).normal(size=(4, 6)) + np.arange(6) + np.arange(4)[:, None]
    S, items = u.shape
    of_seeds = items * u.mean(1).var(ddof=1)
    of_items = S * u.mean(0).var(ddof=1)
    rest = u - u.mean(1)[:, None] - u.mean(0)[None, :] + u.mean()
    interaction = (rest**2).sum() / ((S - 1) * (items - 1))
    expected_value = (of_seeds + of_items - interaction) / (S * items)
    value, freedom = variance(u)
    assert value == pytest.approx(expected_value)
    squares = of_seeds**2 / 3 + of_items**2 / 5 + interaction**2 / 15
    assert freedom == pytest.approx((of_seeds + of_items - interaction) ** 2 / squares)


def test_the_variance_is_unbiased():
    rng = np.random.default_rng(1)
    draws = [right(rng, 0.5, 0.4, 1.5, items=100) for _ in range(3000)]
    estimates = [variance(u)[0] for u in draws]
    spread = np.var([u.mean() for u in draws])
    assert np.mean(estimates) == pytest.approx(spread, rel=0.1)


def test_no_source_is_undercut():
    """Seeds that repel each other: the difference of variances would fall below the items'."""
    u = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]])
    value, freedom = variance(u)
    assert value == pytest.approx(u.mean(0).var(ddof=1) / 4) and freedom == 3
    value, freedom = variance(u.T)
    assert value == pytest.approx(u.mean(0).var(ddof=1) / 4) and freedom == 3


def test_one_seed_or_one_item_is_the_one_sample_t_interval():
    u = right(np.random.default_rng(2), 0.5, 0.0, 0.0, seeds=1, items=40)
    for matrix in (u, u.T):
        found = interval(matrix)
        low, high = stats.ttest_1samp(u[0], 0.5).confidence_interval(0.95)
        assert (found.low, found.high) == (pytest.approx(low), pytest.approx(high))
    assert (interval(u).seeds, interval(u).items) == (1, 40)


def test_a_deterministic_row_varies_with_the_items_only():
    u = right(np.random.default_rng(3), 0.5, 0.0, 0.0, seeds=1)
    many, one = interval(np.repeat(u, 5, axis=0)), interval(u)
    assert (many.low, many.high) == (pytest.approx(one.low), pytest.approx(one.high))


def test_intervals_stay_between_0_and_1():
    u = np.ones((3, 30))
    u[:, 0] = 0
    assert interval(u).high == 1 and interval(1 - u).low == 0
    assert interval(u).low > 0.8


def test_a_correlation_may_be_below_0():
    u = np.full((3, 30), -0.1)
    u[:, :3] = -0.9
    found = interval(u, lowest=-1.0)
    assert found.score == pytest.approx(-0.18) and found.low < found.score < found.high < 0
    assert interval(u - 0.8, lowest=-1.0).low == -1


def test_nothing_learnt_is_not_certain_to_be_no_correlation():
    """Of a correlation that is 0, the deviation is about I^-1/2."""
    found = interval(np.zeros((5, 400)), lowest=-1.0)
    assert (found.low, found.high) == (pytest.approx(-1.96 / 20, rel=1e-2), -found.low)


def test_all_right_is_not_certainty():
    found = interval(np.ones((5, 100)))
    wilson = stats.binomtest(100, 100).proportion_ci(method="wilson")
    assert (found.low, found.high) == (pytest.approx(wilson.low), 1)
    assert interval(np.zeros((5, 100))).high == pytest.approx(1 - wilson.low)


@pytest.mark.parametrize(
    ("odds", "seed_sd", "item_sd"),
    [(1, 0, 0), (1, 0, 2), (1, 0.1, 2), (1, 0.3, 1), (1, 1, 0), (1, 1, 2), (3, 0.3, 2)],
)
def test_intervals_cover(odds, seed_sd, item_sd):
    """Nominal 95 % for S=5, I=300. The draws leave a standard error of 0.5 points; that the degrees
    of freedom are estimated, and that five seeds need not look normal, costs or gains about 2.
    """
    rng = np.random.default_rng(4)
    truth = expected(odds, seed_sd, item_sd)
    found = [interval(right(rng, odds, seed_sd, item_sd)) for _ in range(2000)]
    coverage = np.mean([one.low <= truth <= one.high for one in found])
    assert 0.92 <= coverage <= 0.985


def test_items_alone_would_not_cover():
    """What a table without the seeds' variance would claim: the reason for the crossed form."""
    rng = np.random.default_rng(5)
    truth = expected(1, 0.5, 1)
    found = [interval(right(rng, 1, 0.5, 1).mean(0, keepdims=True)) for _ in range(300)]
    assert np.mean([one.low <= truth <= one.high for one in found]) < 0.6


def test_pairing_is_the_paired_t_test_for_one_seed():
    rng = np.random.default_rng(6)
    first, second = right(rng, 1, 0, 0, seeds=1), right(rng, 0.7, 0, 0, seeds=1)
    assert paired_p(first, second) == pytest.approx(stats.ttest_rel(first[0], second[0]).pvalue)
    assert paired_p(first, first) == 1 and paired_p(first, first - 0.1) == 0


def test_pairing_keeps_its_level_and_sees_through_hard_items():
    rng = np.random.default_rng(7)
    equal, different, unpaired = [], [], []
    for _ in range(400):
        hard = rng.normal(size=300)
        first, second, worse = (right(rng, odds, 0.2, 3, hard=hard) for odds in (1, 1, 0.6))
        equal.append(paired_p(first, second) < 0.05)
        different.append(paired_p(first, worse) < 0.05)
        apart = abs(first.mean() - worse.mean()) / (variance(first)[0] + variance(worse)[0]) ** 0.5
        unpaired.append(apart > 1.96)
    assert 0.02 <= np.mean(equal) <= 0.085
    assert np.mean(different) > 1.5 * np.mean(unpaired)


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03]) == [True, False, False]
    assert holm([0.01, 0.02, 0.03]) == [True, True, True]
    assert holm([0.02, 0.001]) == [True, True]
    assert holm([0.06]) == [False] and holm([]) == []


def test_clearly_worse_cells_leave_the_group_and_the_best_never_does():
    rng = np.random.default_rng(8)
    hard = rng.normal(size=300)
    cells = [right(rng, odds, 0.1, 1, hard=hard) for odds in (-1, 2, 1.9, 0)]
    assert indistinguishable(cells) == [False, True, True, False]
    assert indistinguishable(cells[:1]) == [True] and indistinguishable([]) == []


@pytest.mark.parametrize("odds", [[1] * 6, [1, 0.9, 0.9, 0.9], [1, 1, -0.5, -0.5, -0.5]])
def test_the_truly_best_cell_is_in_the_group(odds):
    rng = np.random.default_rng(9)
    inside = []
    for _ in range(150):
        hard = rng.normal(size=300)
        cells = [right(rng, one, 0.3, 1.5, hard=hard) for one in odds]
        inside.append(indistinguishable(cells)[0])
    assert np.mean(inside) >= 0.95
