"""The best group, and what the seeds add to the variance of each cell."""

import numpy as np
import pytest

from research.stats.best_group import _p_values, _prior, best_group, over_seeds
from research.stats.intervals import crossed_variance, paired_p
from research.studies.coverage.alternatives import holm_against_best
from research.studies.coverage.simulate import Population, column


def drawn(accuracies, seed=0, spread=0.01, seeds=5, items=300):
    return column(
        [Population(a, spread) for a in accuracies], np.random.default_rng(seed), seeds, items
    )


def test_clearly_worse_cells_leave_the_group_and_the_best_never_does():
    cells = list(drawn((0.4, 0.85, 0.84, 0.6)))
    assert best_group(cells) == [False, True, True, False]
    assert best_group(cells[:1]) == [True] and best_group([]) == []
    assert best_group([cells[1], cells[1]]) == [True, True]
    assert best_group([cells[0][:1], cells[1][:1]]) == [False, True]  # one seed


def test_every_test_is_one_of_all_pairs_that_are_left(monkeypatch):
    p_values = [0.05 / 15, 0.05 / 10, 0.05 / 6, 0.05 / 3 + 0.001, 0.5]  # of the cells 1 to 5
    monkeypatch.setattr("research.stats.best_group._p_values", lambda *_: p_values)
    cells = drawn((0.9, *[0.5] * 5))
    assert best_group(list(cells)) == [True, False, False, False, True, True]
    p_values[:2] = [0.05 / 14, 0.05 / 14]  # now all are too large for 15 pairs
    p_values[2] = 0.05 / 13
    assert best_group(list(cells)) == [True] * 6


def test_two_cells_are_told_apart_by_the_paired_test():
    """Where items add to the difference; the two then have the same variance and degrees."""
    for seed in range(5):
        cells = drawn((0.8, 0.75), seed=seed, spread=0.03)
        _, of_items, interaction = crossed_variance(cells[0] - cells[1])
        shared, freedom, most = over_seeds(cells)
        assert shared.sum() == pytest.approx((cells[0] - cells[1]).mean(1).var(ddof=1) / 5)
        assert set(freedom) == {4} and most == 4
        if of_items > interaction:
            assert _p_values(cells, 0, [1])[0] == pytest.approx(paired_p(*cells), rel=0.05)


def test_what_a_seed_does_to_all_cells_alike_does_not_count():
    cells = drawn((0.8,) * 4)
    moved = cells + np.random.default_rng(1).normal(size=(1, 5, 1))
    np.testing.assert_allclose(over_seeds(moved)[0], over_seeds(cells)[0])


def test_a_cell_that_answers_alike_with_every_seed_has_no_variance():
    cells = drawn((0.8,) * 4)
    variances, degrees, most = over_seeds(np.concatenate([cells, cells[:1, :1].repeat(5, 1)]))
    np.testing.assert_allclose(variances, [*over_seeds(cells)[0], 0])
    assert degrees.tolist()[:4] == over_seeds(cells)[1].tolist() and most == 12
    alone, freedom, most = over_seeds(np.concatenate([cells[:1], np.ones((2, 5, 300))]))
    assert alone == pytest.approx([cells[0].mean(1).var(ddof=1) / 5, 0, 0])
    assert freedom[0] == most == 4


def test_a_prior_is_found_again():
    """Variances drawn as Smyth's model has them: s0^2 = 0.02 with d0 = 6 degrees of freedom."""
    rng = np.random.default_rng(0)
    true = 6 * 0.02 / rng.chisquare(6, size=20_000)
    degrees, scale = _prior(true * rng.chisquare(4, size=20_000) / 4, 4)
    assert degrees == pytest.approx(6, rel=0.1) and scale == pytest.approx(0.02, rel=0.05)
    assert _prior(np.array([0.1, 0.11, 0.12]), 4) == (np.inf, pytest.approx(0.11))
    assert _prior(np.array([0.1]), 4) == (0, 0)


def test_small_variances_are_raised_and_large_ones_stay():
    cells = drawn((0.8,) * 24)
    scores = cells.mean(2)
    rest = scores - scores.mean(1, keepdims=True)
    own = ((rest - rest.mean(0)) ** 2).sum(1) / 4 * 24 / 23 / 5
    found, freedom, most = over_seeds(cells)
    assert (found >= own - 1e-15).all() and found[own.argmax()] == pytest.approx(own.max())
    assert found.min() > 2 * own.min() and most == 23 * 4
    raised = found > own * (1 + 1e-9)
    assert 5 < raised.sum() < 24 and set(freedom[~raised]) == {4}
    assert len(set(freedom[raised])) == 1 and 4 < freedom[raised][0] <= most


@pytest.mark.parametrize("rows", [6, 24])
def test_equal_rows_stay_together(rows):
    """At most 5 in 100 tables may lose one; Holm's rule against the best loses far more."""
    lost, others = [], []
    for draw in range(120):
        cells = list(drawn((0.8,) * rows, seed=draw, spread=0.03, items=200))
        lost.append(not all(best_group(cells)))
        others.append(not all(holm_against_best(cells)))
    assert np.mean(lost) <= 0.09 and np.mean(others) > 0.09
    assert np.mean(others) > 3 * np.mean(lost)


@pytest.mark.parametrize("accuracies", [[0.7] * 6, [0.7, 0.68, 0.68, 0.68], [0.7, 0.7, 0.4, 0.4]])
def test_the_truly_best_cell_is_in_the_group(accuracies):
    inside = [best_group(list(drawn(accuracies, seed=draw, spread=0.03)))[0] for draw in range(150)]
    assert np.mean(inside) >= 0.95
