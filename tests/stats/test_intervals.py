import numpy as np
import pytest
from scipy import stats

from research.records.predictions.labels import LabelPredictions
from research.records.predictions.numbers import NumberPredictions
from research.stats.intervals import bounds, influences, interval, paired_p, variance
from research.studies.coverage.alternatives import symmetric
from research.studies.coverage.simulate import Population, column, simulate_answers
from research.tasks.metrics.classification import METRICS


def classified(seeds=4, items=50, classes=3, seed=0, none=False):
    rng = np.random.default_rng(seed)
    gold = rng.integers(classes, size=items)
    noise = rng.integers(-1 if none else 0, classes, size=(seeds, items))
    return np.where(rng.random((seeds, items)) < 0.6, gold, noise), gold


def answered(predicted, gold):
    scores = np.zeros((len(gold), 3))
    return [LabelPredictions(("a", "b", "c"), gold, row, scores) for row in predicted]


def right(world, rng, seeds=5, items=300):
    return simulate_answers(world, rng, 1, seeds, items)[0] * 1.0


def test_the_influence_on_accuracy_is_being_right():
    predicted, gold = classified(none=True)
    np.testing.assert_allclose(
        influences(answered(predicted, gold), "accuracy"), predicted == gold[None, :], atol=1e-12
    )


@pytest.mark.parametrize("metric", METRICS)
def test_influences_are_deletions_of_single_items(metric):
    predicted, gold = classified(none=True)
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
        predicted, gold = classified(seeds=1, items=200, seed=draw)
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
    draws = simulate_answers(Population(0.6, 0.05, 1.5), np.random.default_rng(1), 3000, 5, 100)
    estimates, _ = variance(draws * 1.0)
    assert np.mean(estimates) == pytest.approx(np.var(draws.mean((1, 2))), rel=0.1)


def test_no_source_is_undercut():
    """Seeds that repel each other: the difference of variances would fall below the items'."""
    u = np.array([[1.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]])
    value, freedom = variance(u)
    assert value == pytest.approx(u.mean(0).var(ddof=1) / 4) and freedom == 3
    value, freedom = variance(u.T)
    assert value == pytest.approx(u.mean(0).var(ddof=1) / 4) and freedom == 3


def test_a_stack_is_its_matrices_one_by_one():
    draws = simulate_answers(Population(0.9, 0.02), np.random.default_rng(3), 20, 3, 60) * 1.0
    draws[0] = 1  # all right: Wilson's
    draws[1] = draws[1, :1]  # no seeds' variance
    alone = [(*bounds(one), *variance(one)) for one in draws]
    np.testing.assert_allclose(np.stack([*bounds(draws), *variance(draws)], 1), alone)


def test_one_seed_or_one_item_is_the_one_sample_t_interval_of_log_odds():
    u = right(Population(0.6, 0, 0), np.random.default_rng(2), seeds=1, items=40)
    for matrix in (u, u.T):
        found = interval(matrix)
        m = u.mean()
        error = stats.sem(u[0]) / (m * (1 - m))
        odds = np.log([found.low / (1 - found.low), found.high / (1 - found.high)])
        expected = np.log(m / (1 - m)) + np.array([-1, 1]) * stats.t.ppf(0.975, 39) * error
        np.testing.assert_allclose(odds, expected)
    assert (interval(u).seeds, interval(u).items) == (1, 40)


def test_a_deterministic_row_varies_with_the_items_only():
    u = right(Population(0.6, 0, 0), np.random.default_rng(3), seeds=1)
    many, one = interval(np.repeat(u, 5, axis=0)), interval(u)
    assert (many.low, many.high) == (pytest.approx(one.low), pytest.approx(one.high))


def test_intervals_stay_between_0_and_1_and_mirror():
    u = np.ones((3, 30))
    u[:, 0] = 0
    few, many = interval(1 - u), interval(u)
    assert 0 < few.low < few.score < few.high < 0.3
    assert (many.low, many.high) == (pytest.approx(1 - few.high), pytest.approx(1 - few.low))


def test_a_correlation_may_be_below_0():
    u = np.full((3, 30), -0.1)
    u[:, :3] = -0.9
    found = interval(u, lowest=-1.0)
    assert found.score == pytest.approx(-0.18) and found.low < found.score < found.high < 0
    assert -1 < interval(u - 0.8, lowest=-1.0).low < -0.98


def test_nothing_learnt_is_not_certain_to_be_no_correlation():
    """Of a correlation that is 0, the deviation is about I^-1/2."""
    found = interval(np.zeros((5, 400)), lowest=-1.0)
    assert (found.low, found.high) == (pytest.approx(-1.96 / 20, rel=1e-2), -found.low)


def test_a_correlation_has_fishers_interval():
    """That of scipy, which is for normal numbers."""
    gold, noise = np.random.default_rng(4).normal(size=(2, 4000))
    predicted = 0.9 * gold + 0.6 * noise
    found = interval(influences([NumberPredictions(gold, predicted)], "pearson"), lowest=-1.0)
    fisher = stats.pearsonr(gold, predicted).confidence_interval()
    assert (found.low, found.high) == (
        pytest.approx(fisher.low, abs=1e-3),
        pytest.approx(fisher.high, abs=1e-3),
    )


def test_a_correlation_near_1_is_covered_where_its_own_scale_falls_short():
    """Of two equal classes, nine of ten answers right are a correlation of 0.8."""
    rng = np.random.default_rng(5)
    gold = rng.integers(2, size=(1000, 50))
    predicted = np.where(rng.random(gold.shape) < 0.9, gold, 1 - gold)
    drawn = zip(predicted, gold, strict=True)
    stacked = np.stack([influences(answered(p[None], g), "matthews") for p, g in drawn])
    low, high = bounds(stacked, lowest=-1.0)
    own_low, own_high = symmetric(stacked, rng)
    assert 0.94 <= np.mean((low <= 0.8) & (high >= 0.8)) <= 0.98
    assert np.mean((own_low <= 0.8) & (own_high >= 0.8)) < 0.94


def test_all_right_is_not_certainty():
    found = interval(np.ones((5, 100)))
    wilson = stats.binomtest(100, 100).proportion_ci(method="wilson")
    assert (found.low, found.high) == (pytest.approx(wilson.low), 1)
    assert interval(np.zeros((5, 100))).high == pytest.approx(1 - wilson.low)


def test_pairing_is_the_paired_t_test_for_one_seed():
    rng = np.random.default_rng(6)
    first, second = (right(Population(a, 0, 0), rng, seeds=1) for a in (0.7, 0.65))
    assert paired_p(first, second) == pytest.approx(stats.ttest_rel(first[0], second[0]).pvalue)
    assert paired_p(first, first) == 1 and paired_p(first, first - 0.1) == 0


def test_pairing_keeps_its_level_and_sees_through_hard_items():
    rng = np.random.default_rng(7)
    equal, different, unpaired = [], [], []
    for _ in range(400):
        worlds = Population(0.65, 0.02, 3), Population(0.65, 0.02, 3), Population(0.6, 0.02, 3)
        first, second, worse = column(worlds, rng, 5, 300, common_share=0, interaction=0)
        equal.append(paired_p(first, second) < 0.05)
        different.append(paired_p(first, worse) < 0.05)
        apart = abs(first.mean() - worse.mean()) / (variance(first)[0] + variance(worse)[0]) ** 0.5
        unpaired.append(apart > 1.96)
    assert 0.02 <= np.mean(equal) <= 0.085
    assert np.mean(different) > 1.5 * np.mean(unpaired)
