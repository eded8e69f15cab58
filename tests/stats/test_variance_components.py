"""Variance components: against least squares, by simulation, and as a table."""

import numpy as np
import pytest

from research.experiments.seeds import latin_square
from research.stats import variance_components as module
from research.stats.variance_components import SOURCES, components, mean_squares


def square(side: int) -> np.ndarray:
    """Levels [side^2, 3] of a Latin square."""
    return np.array([[getattr(seeds, name) for name in SOURCES] for seeds in latin_square(side)])


def drawn(levels: np.ndarray, deviations: list[float], rng: np.random.Generator) -> np.ndarray:
    """Scores [R] with these standard deviations by source, the last of pairs of sources in equal
    parts and of single runs.
    """
    side = levels.max() + 1
    sources = [deviation * rng.normal(size=side) for deviation in deviations[:3]]
    pairs = deviations[3] / 2 * rng.normal(size=(3, side, side))
    scores = [
        sources[0][a]
        + sources[1][b]
        + sources[2][c]
        + pairs[0, a, b]
        + pairs[1, a, c]
        + pairs[2, b, c]
        + deviations[3] / 2 * rng.normal()
        for a, b, c in levels
    ]
    return np.array(scores)


@pytest.mark.parametrize("side", [3, 5])
def test_mean_squares_are_those_of_least_squares(side: int):
    """What each source explains of the scores is what leaving its levels out of a fit loses."""
    levels = square(side)
    y = drawn(levels, [1.0, 0.5, 0.2, 0.3], np.random.default_rng(side))

    def left(sources: tuple[str, ...]) -> float:
        columns = [np.ones(len(y))]
        for source in sources:
            seeds = levels[:, SOURCES.index(source)]
            columns += [seeds == level for level in range(side)]
        matrix = np.stack(columns, 1).astype(float)
        return float(((y - matrix @ np.linalg.lstsq(matrix, y)[0]) ** 2).sum())

    rest = left(SOURCES)
    sums = [left(tuple(s for s in SOURCES if s != source)) - rest for source in SOURCES]
    squares, degrees = mean_squares(levels, y)
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
    levels = square(side)
    for _ in range(600):
        scores = drawn(levels, deviations, rng)
        squares, _ = mean_squares(levels, scores)
        found.append([*((squares[:3] - squares[3]) / side), squares[3]])
        parts = components(levels, scores).values()
        bounds = zip(parts, shares, strict=True)
        covered.append([part.low <= share <= part.high for part, share in bounds])
    mean, error = np.mean(found, 0), np.std(found, 0) / len(found) ** 0.5
    assert (abs(mean - true) < 4 * error).all()
    assert (np.mean(covered, 0)[:3] > 0.92).all()


def test_a_negative_component_is_zero_and_says_so():
    """Levels of the order differ less than single runs do: here, not at all."""
    levels = square(3)
    sample, order, _ = levels.T
    parts = components(levels, 1.0 * sample + (order + 2 * sample) % 3)
    assert parts["order"].negative and parts["order"].variance == 0 == parts["order"].share
    assert sum(part.share for part in parts.values()) == pytest.approx(1)


def test_runs_that_all_score_the_same_have_no_shares():
    parts = components(square(3), np.full(9, 0.5))
    assert all(np.isnan(part.share) and part.variance == 0 for part in parts.values())
