"""What approaches are worth in examples: as published, and against plain ways to find it."""

import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from research.reporting.build import build_tables
from research.reporting.grid.grid import read_grid
from research.reporting.tables.data_efficiency import data_efficiency_tables
from research.stats.data_efficiency import Curve, Learner, advantage, saved
from research.stats.equal_examples import equivalent, equivalent_of_pairs
from research.stats.intervals import paired_p

PUBLISHED = json.loads(
    (Path(__file__).parents[2] / "results" / "published" / "lescao2021.json").read_text()
)["tasks"]
# The paper's standard deviations that its released runs give; those of three tasks they do not.
SPREADS = {"MNLI", "BoolQ", "CB", "RTE", "WiC"}
# Where one of the paper's curves hardly rises, it takes all scores that either reaches.
WHOLE = {"MultiRC"}


def best_of_runs(sizes, runs):
    """The paper's curve: the best run of each size [K, runs], null where there was none."""
    return Curve.through(sizes, np.nanmax(np.array(runs, float), axis=1))


@pytest.mark.parametrize("task", PUBLISHED)
def test_a_prompt_is_worth_what_the_paper_says(task):
    found = PUBLISHED[task]
    head, prompt = (best_of_runs(found["examples"], found[name]) for name in ("head", "prompt"))
    assert round(advantage(prompt, head, task in WHOLE)) == found["advantage"][0]
    assert round(advantage(head, prompt, task in WHOLE)) == -found["advantage"][0]


@pytest.mark.parametrize("task", sorted(SPREADS))
def test_leaving_a_run_of_each_out_gives_the_paper_s_spread(task):
    found = PUBLISHED[task]

    def without(name, run):
        return best_of_runs(found["examples"], np.delete(np.array(found[name], float), run, axis=1))

    values = [
        advantage(without("prompt", a), without("head", b))
        for a, b in itertools.product(range(4), range(4))
    ]
    assert round(float(np.std(values))) == found["advantage"][1]


def test_a_curve_is_read_backwards():
    curve = Curve.through((10, 20, 40, 80, 90), (0.5, 0.4, 0.7, 0.7, 0.8))
    assert curve.scores.tolist() == [0.5, 0.5, 0.7, 0.7, 0.8]
    assert [curve.examples(s) for s in (0.5, 0.6, 0.7, 0.75, 0.8)] == pytest.approx(
        [10, 30, 40, 85, 90]
    )
    assert (curve.examples(0.49), curve.examples(0.81)) == (-math.inf, math.inf)


@pytest.mark.parametrize(("low", "high"), [(0.5, 0.8), (0.55, 0.78), (0.3, 0.95)])
def test_an_area_is_the_sum_of_thin_slices(low, high):
    curve = Curve.through((10, 20, 40, 80, 90), (0.5, 0.4, 0.7, 0.7, 0.8))
    edges = np.linspace(low, high, 20_001)
    slices = [curve.examples(score) for score in (edges[:-1] + edges[1:]) / 2]
    slices = np.clip(slices, 10, 90)  # as many as there are, outside the curve
    assert curve.area(low, high) == pytest.approx(slices.mean() * (high - low), rel=1e-4)


def test_curves_that_share_no_score_have_no_advantage():
    low, high = Curve.through((1, 9), (0.1, 0.2)), Curve.through((1, 9), (0.3, 0.4))
    assert math.isnan(advantage(low, high)) and math.isnan(
        advantage(low, low.through((5,), (0.1,)))
    )


def learner(rng, sizes, scores, hard, seed_sd=0.02, noise=0.3):
    """Crossed [S, I] scores that are these in the mean; items `hard` [I] for all approaches."""
    return Learner(
        sizes,
        tuple(
            score
            + seed_sd * rng.normal(size=(5, 1))
            + hard
            + noise * rng.normal(size=(5, len(hard)))
            for score in scores
        ),
    )


def drawn(rng, items=100):
    """An approach that saves 100 examples throughout: the other one has its score 100 later."""
    hard = 0.3 * rng.normal(size=items)
    first = learner(rng, (100, 300, 400), (0.5, 0.7, 0.74), hard)
    return first, learner(rng, (200, 400, 500), (0.5, 0.7, 0.74), hard)


def test_intervals_of_examples_cover():
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(300):
        first, second = drawn(rng)
        found = equivalent(first.influence[1], second)
        inside.append(found.low <= 400 <= found.high)
    assert 0.92 <= np.mean(inside) <= 0.98


def test_an_interval_of_examples_holds_the_sizes_that_are_not_different():
    """Every number tried, one by one."""
    rng = np.random.default_rng(1)
    hard = 0.3 * rng.normal(size=200)
    other = learner(rng, (32, 80, 120, 200), (0.4, 0.6, 0.5, 0.8), hard)
    (at,) = learner(rng, (50,), (0.63,), hard).influence
    same = [m for m in range(32, 201) if paired_p(at, other.at(m)) >= 0.05]
    found = equivalent(at, other)
    assert (found.low, found.high) == (same[0], same[-1])
    nearest = min(range(32, 201), key=lambda m: abs(other.at(m).mean() - at.mean()))
    assert found.low < nearest < found.high and found.examples == pytest.approx(nearest, abs=0.5)
    assert [other.at(size).mean() for size in other.sizes] == pytest.approx(other.curve.scores)


@pytest.mark.parametrize(
    ("score", "found"),
    [(0.2, (-math.inf,) * 3), (0.95, (math.inf,) * 3), (0.6, (None, -math.inf, math.inf))],
)
def test_beyond_the_sizes_and_within_the_noise(score, found):
    rng = np.random.default_rng(2)
    hard = 0.3 * rng.normal(size=200)
    scores = (0.6, 0.6) if found[0] is None else (0.4, 0.8)
    one = equivalent(
        learner(rng, (9,), (score,), hard).influence[0], learner(rng, (32, 99), scores, hard)
    )
    assert (found[0] or one.examples, one.low, one.high) == (found[0] or one.examples, *found[1:])


def test_the_interval_of_what_is_saved_is_the_spread_of_draws():
    rng = np.random.default_rng(3)
    found = [saved(*drawn(rng)) for _ in range(200)]
    values, halves = np.array([one for one in found if one]).T
    assert len(values) == 200 and np.mean(values) == pytest.approx(100, abs=5)
    assert 0.92 <= np.mean(abs(values - 100) <= halves) <= 0.99
    first, second = drawn(rng)
    forth, back = saved(first, second), saved(second, first)
    assert forth and back and forth == pytest.approx((-back[0], back[1]))
    assert saved(first, Learner((1, 2), (first.influence[2], first.influence[2] + 0.1))) is None


def test_a_task_with_two_sizes_has_its_tables(finished):
    needed, other = data_efficiency_tables(read_grid(finished))
    assert needed.title == "demo: sentiment, examples for the same score"
    assert needed.heads[:2] == (("accuracy", "on test"), ("needed by", "zero-shot prompt"))
    names = [name for name, _ in needed.rows]
    assert names[4:6] == ["LoRA, 32 examples", "LoRA, 500 examples"] and len(names) == 8
    assert len(needed.baselines) == 4
    texts = {name: [entry.text for entry in entries] for name, entries in needed.rows}
    assert texts["LoRA, 32 examples"][1:4] == [">500", ">500", "—"]
    assert texts["zero-shot prompt, 32 examples"][3] == "<32"
    assert other.heads[0] == ("macro F1", "on test") and other.title.startswith("demo: topic_50%")
    content = build_tables(finished)[1]
    assert content["data_efficiency.md"].count(b"examples for the same score") == 2
    assert content["data_efficiency.tex"].isascii()


def test_provisional_cells_and_single_sizes_take_no_part(sweep):
    sweep.cell(0, 0, 0)
    sweep.cell(1, 0, 0)
    assert "data_efficiency.md" not in build_tables(sweep.folder)[1]
    sweep.cell(0, 0, 1)
    assert data_efficiency_tables(read_grid(sweep.folder)) == []
    sweep.cell(1, 0, 1, skip=lambda trial, seed: seed == 4)
    assert data_efficiency_tables(read_grid(sweep.folder)) == []
    sweep.cell(2, 0, 0)
    sweep.cell(2, 0, 1)
    layout = data_efficiency_tables(read_grid(sweep.folder))[0]
    assert {head for _, head in layout.heads[1:]} == {"zero-shot prompt", "LoRA"}
    assert not any("One seed" in note for note in layout.notes)


def test_many_pairs_at_a_time_give_what_each_gives_alone_by_tests_on_all_items():
    """Against one test after the other on whole matrices, with parts that cancel."""
    rng = np.random.default_rng(3)
    seeds, items, sizes = 3, 40, (8, 16, 32)
    shares = [(0.5, 0.6, 0.8), (0.55, 0.55, 0.7), (0.4, 0.7, 0.72), (0.6, 0.6, 0.6)]
    learners = [
        Learner(sizes, tuple((rng.random((seeds, items)) < p).astype(float) for p in of_row))
        for of_row in shares
    ]
    constant = (rng.random(items) < 0.6).astype(float)[None].repeat(seeds, 0)  # equal seeds
    learners.append(Learner(sizes, (constant, constant, constant)))
    learners.append(Learner(sizes, (constant, *learners[0].influence[1:])))
    matrices = [matrix for learner in learners for matrix in learner.influence]
    pairs = [(i, j) for i in range(len(matrices)) for j in range(len(learners))]
    for (i, j), result in zip(pairs, equivalent_of_pairs(matrices, learners, pairs), strict=True):
        within = [
            size
            for size in range(sizes[0], sizes[-1] + 1)
            if paired_p(matrices[i], learners[j].at(size)) >= 0.05
        ]
        examples = learners[j].curve.examples(matrices[i].mean())
        assert result.examples == examples
        if round(min(max(examples, sizes[0]), sizes[-1])) not in within:
            assert result.low == result.high == examples
            continue
        assert result.low == (-math.inf if sizes[0] in within else within[0])
        assert result.high == (math.inf if sizes[-1] in within else within[-1])
