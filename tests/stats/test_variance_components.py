"""Variance components: against least squares, by simulation, and as a table."""

import numpy as np
import pytest

from research.common.errors import InputError
from research.experiments.seeds import Seeds, latin_square
from research.reporting.build import build_tables
from research.reporting.grid.grid import read_grid
from research.reporting.tables.variance import variance_tables
from research.stats import variance_components as module
from research.stats.variance_components import SOURCES, components, mean_squares
from tests.reporting.conftest import APPROACHES, draw


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


def crossed(sweep, row: int, skip: int = 0) -> None:
    """The crossed runs of the tested trial of a row, without the last `skip`."""
    best = max(len(APPROACHES[row][2]) - 2, 0)
    apart = [own for own in latin_square(3) if own != Seeds.alike(own.sample)]
    for number, own in enumerate(apart[: len(apart) - skip]):
        answers = draw(row, 0, 0, 10 + number, APPROACHES[row][1])
        metrics = {"train": None, "dev": {"accuracy": 0.1}, "test": answers.metrics()}
        seeds = {"sample": own.sample, "order": own.order, "initialisation": own.initialisation}
        change = {"seeds": seeds, "settings": {"seed": seeds}, "metrics": metrics}
        record = sweep.run(row, 0, 0, best, 10 + number, True, **change)
        assert record["metrics"]["test"] == answers.metrics()


def test_crossed_runs_are_in_their_own_table_and_in_no_cell(sweep):
    for row in (1, 2):
        sweep.cell(row, 0, 0)
    before = build_tables(sweep.folder)[1]
    assert "seeds.md" not in before
    crossed(sweep, 2)
    crossed(sweep, 1, skip=1)
    grid, after = read_grid(sweep.folder), build_tables(sweep.folder)[1]
    beside = before.keys() - {"page.html"}  # which holds their table as well
    assert {name: after[name] for name in beside} == {name: before[name] for name in beside}
    [layout] = variance_tables(grid)
    [(name, entries)] = layout.rows
    cell = grid.cell("LoRA", ("sentiment", "16-shot"))
    assert cell is not None and name == "LoRA, sentiment, 16-shot" and entries[0].text == "9"
    records = {Seeds.alike(run["seed"]): run for run in cell.runs[:3]}
    records |= {Seeds(**r["seeds"]): r for r in grid.crossed[cell.key]}
    scores = {seeds: record["metrics"]["test"]["accuracy"] for seeds, record in records.items()}
    parts = list(components(scores).values())
    deviations = [100 * part.variance**0.5 for part in parts]
    assert [entry.text for entry in entries[1:5]] == [f"{one:.1f}" for one in deviations]
    assert entries[6].text.startswith(f"{100 * parts[0].share:.0f} % [")
    assert layout.notes[-1] == "Runs are missing: few-shot prompt, sentiment, 16-shot."
    assert any("set to 0" in note for note in layout.notes) == any(p.negative for p in parts)
    assert after["seeds.tex"].isascii()


def test_crossed_runs_alone_are_no_table(sweep):
    crossed(sweep, 2)
    with pytest.raises(InputError, match="no run but such with crossed seeds"):
        read_grid(sweep.folder)
