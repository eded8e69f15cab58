"""How many seeds or items it takes: against simulated experiments."""

import numpy as np
import pytest
from scipy import stats

from research.stats.intervals import variance
from research.stats.power import Spread

OF_SEEDS, OF_ITEMS, REST = 0.02**2, 0.2**2, 0.3**2


def drawn(count, seeds, items, mean, rng):
    """Differences [N, S, I] with these components."""
    return (
        mean
        + rng.normal(0, OF_SEEDS**0.5, (count, seeds, 1))
        + rng.normal(0, OF_ITEMS**0.5, (count, 1, items))
        + rng.normal(0, REST**0.5, (count, seeds, items))
    )


@pytest.mark.parametrize(("seeds", "items", "mean"), [(5, 100, 0.06), (12, 60, 0.1), (4, 300, 0.0)])
def test_power_is_how_often_the_test_finds_the_difference(seeds, items, mean):
    """Of 2000 experiments, whose share of finds has a standard error of 1.1 points at most."""
    draws = drawn(2000, seeds, items, mean, np.random.default_rng(seeds))
    v, degrees = variance(draws)
    p = 2 * stats.t.sf(np.abs(draws.mean((1, 2))) / v**0.5, degrees)
    found = Spread(mean, OF_SEEDS, OF_ITEMS, REST, 5, 100).power(seeds, items, 0.05)
    assert found == pytest.approx(np.mean(p < 0.05), abs=0.035)


def test_components_are_found_again():
    spreads = [Spread.of(one) for one in drawn(400, 5, 800, 0.1, np.random.default_rng(0))]
    for name, expected in (("of_seeds", OF_SEEDS), ("of_items", OF_ITEMS), ("rest", REST)):
        # Negative estimates are 0, so the mean lies a little above.
        found = np.mean([getattr(spread, name) for spread in spreads])
        assert found == pytest.approx(expected, rel=0.15), name
    assert Spread.of(np.ones((1, 8))) is None


def test_the_least_number_that_is_enough():
    spread = Spread(0.05, OF_SEEDS, OF_ITEMS, REST, 5, 150)
    seeds, items = spread.enough_seeds(0.05), spread.enough_items(0.05)
    assert spread.power(seeds - 1, 150, 0.05) < 0.8 <= spread.power(seeds, 150, 0.05)
    assert spread.power(5, items, 0.05) >= 0.8 > spread.power(5, round(items / 1.1), 0.05)
    small = Spread(0.001, OF_SEEDS, OF_ITEMS, REST, 5, 150)
    assert small.enough_seeds(0.05) is None and small.enough_items(0.05) is None
