"""Variance components: against least squares, by simulation, and as a table."""

import numpy as np
import pytest

from research.experiments.seeds import Seeds, latin_square
from research.stats import variance_components as module
from research.stats.variance_components import SOURCES, components, mean_squares


def drawn(side: int, deviations: list[float], rng: np.random.Generator) -> dict[Seeds, float]:
    """Scores with these standard deviations by source, the last of pairs of sources in equal parts
    and of single runs.
    """
    a, b, c = (own * rng.normal(size=side) for own in deviations[:3])
    pairs = deviations[3] / 2 * rng.normal(size=(3, side, side))
    return {
        s: a[s.sample]
        + b[s.order]
        + c[s.initialisation]
        + pairs[0, s.sample, s.order]
        + pairs[1, s.sample, s.initialisation]
        + pairs[2, s.order, s.initialisation]
        + deviations[3] / 2 * rng.normal()
        for s in latin_square(side)
    }


@pytest.mark.parametrize("side", [3, 5])
def test_mean_squares_are_those_of_least_squares(side: int):
    """What each source explains of the scores is what leaving its levels out of a fit loses."""
    scores = drawn(side, [1.0, 0.5, 0.2, 0.3], np.random.default_rng(side))
    y = np.array(list(scores.values()))

    def left(sources: tuple[str, ...]) -> float:
        columns = [np.ones(len(y))]
        for source in sources:
            levels = np.array([getattr(seeds, source) for seeds in scores])
            columns += [levels == level for level in range(side)]
        matrix = np.stack(columns, 1).astype(float)
        return float(((y - matrix @ np.linalg.lstsq(matrix, y)[0]) ** 2).sum())

    rest = left(SOURCES)
    sums = [left(tuple(s for s in SOURCES if s != source)) - rest for source in SOURCES]
    squares, degrees = mean_squares(scores)
    assert degrees.tolist() == [side - 1] * 3 + [(side - 1) * (side - 2)]
    np.testing.assert_allclose(squares * degrees, [*sums, rest], atol=1e-12)


@pytest.mark.parametrize(
    ("side", "deviations"), [(5, [2.0, 1.0, 1.0, 1.0]), (3, [1.0, 0.0, 1.0, 0.5])]
)
def test_a_simulation_finds_the_components_and_their_shares(
    side: int, deviations: list[float], monkeypatch: pytest.MonkeyPatch
):
    """Unbiased before negative ones become 0, interactions of pairs counting as rest; intervals of
    shares cover the true ones nearly as often as they say.
    """
    monkeypatch.setattr(module, "DRAWS", 400)
    rng, true = np.random.default_rng(0), np.square(deviations)
    shares, found, covered = true / true.sum(), [], []
    for _ in range(600):
        scores = drawn(side, deviations, rng)
        squares, _ = mean_squares(scores)
        found.append([*((squares[:3] - squares[3]) / side), squares[3]])
        parts = components(scores).values()
        covered.append([p.low <= one <= p.high for p, one in zip(parts, shares, strict=True)])
    mean, error = np.mean(found, 0), np.std(found, 0) / len(found) ** 0.5
    assert (abs(mean - true) < 4 * error).all()
    assert (np.mean(covered, 0)[:3] > 0.92).all()


def test_a_negative_component_is_zero_and_says_so():
    """Levels of the order differ less than single runs do: here, not at all."""
    scores = {s: float(s.sample + (s.order + 2 * s.sample) % 3) for s in latin_square(3)}
    parts = components(scores)
    assert parts["order"].negative and parts["order"].variance == 0 == parts["order"].share
    assert sum(part.share for part in parts.values()) == pytest.approx(1)


def test_runs_that_all_score_the_same_have_no_shares():
    parts = components({seeds: 0.5 for seeds in latin_square(3)})
    assert all(np.isnan(part.share) and part.variance == 0 for part in parts.values())
