"""How approaches were tuned: what stands in the table, and where it comes from."""

import json
import math
import statistics

import numpy as np
import pytest

from research.reporting.build import build_tables
from research.reporting.format import MISSING, rates_note, tried_rates
from research.reporting.grid.grid import read_grid
from research.reporting.grid.tuning import _rates, tolerance, tuning
from research.reporting.tables.tuning import _counts, tuning_tables
from research.stats.search_curves import plateau
from tests.reporting.columns import columns
from tests.reporting.conftest import draw

RATES, DEV = (1e-4, 1e-3, 1e-2), np.array([[0.66, 0.66], [0.84, 0.80], [0.78, 0.82]])  # two seeds
MEANS = [0.66, 0.82, 0.80]


@pytest.fixture
def searched(sweep):
    """LoRA with such scores, whose last rate learns nothing with one seed; a prompt beside it."""
    sweep.cell(1, 0, 0)
    for (trial, seed), score in np.ndenumerate(DEV):
        notes = {"not_learned": "no better" if (trial, seed) == (2, 0) else None}
        run(sweep, trial, seed, float(score), float(score) + 0.05, notes=notes)
    for seed in (2, 3, 4):  # tested, but no part of the search
        run(sweep, 1, seed, 0.5, 1.0, notes={"not_learned": "no better"})
    return sweep


def run(sweep, trial, seed, dev, train=None, **change):
    """A run of LoRA with such scores, the second rate tested."""
    metrics = {
        "dev": {"accuracy": dev, "loss": 1.0},
        **({} if train is None else {"train": {"accuracy": train}}),
        **({"test": draw(2, 0, 0, seed, 2.5).metrics()} if trial == 1 else {}),
    }
    sweep.run(2, 0, 0, trial, seed, trial == 1, metrics=metrics, **change)


def cell_of(sweep):
    return read_grid(sweep.folder).cells["LoRA", "sentiment", "16-shot"]


def test_the_numbers_of_a_search(searched):
    found = tuning(cell_of(searched), within=0.04)
    assert found is not None and found.plateau is not None
    pairs = [0.82, 0.80, 0.82]
    assert found.curve == pytest.approx([statistics.fmean(MEANS), statistics.fmean(pairs), 0.82])
    assert found.plateau.decades == pytest.approx(plateau(RATES, MEANS, 0.04).decades)
    assert (found.plateau.best, found.plateau.inside, found.plateau.tried) == (1e-3, 2, 3)
    assert (found.runs, found.diverged, found.unlearned) == (6, 0, 1)
    assert found.gap == pytest.approx(statistics.fmean([0.05, 0.05, 0.5, 0.5, 0.5]))


def test_a_rate_may_be_below_the_best_by_chance(searched):
    rest = DEV - DEV.mean(0) - DEV.mean(1, keepdims=True) + DEV.mean()
    by_hand = math.sqrt(2 * (rest**2).sum() / (2 * 1) / 2)
    grid = read_grid(searched.folder)
    assert tolerance([cell_of(searched)]) == pytest.approx(by_hand)
    both = [grid.cells[name, "sentiment", "16-shot"] for name in ("few-shot prompt", "LoRA")]
    assert tolerance(both) == pytest.approx(by_hand)  # a prompt has no rates
    assert tolerance(both[:1]) == 0.01


def test_a_diverged_rate_is_the_worst_and_makes_no_noise(searched):
    for path in (searched.folder / "runs").glob("*.json"):
        record = json.loads(path.read_text())
        if record["trial"] == {"learning_rate": RATES[0]} and record["seeds"]["sample"] == 1:
            path.unlink()
    run(searched, 0, 1, 0.99, status="diverged")
    cell = cell_of(searched)
    found = tuning(cell, within=0.04)
    assert found is not None and cell.dev == pytest.approx((0.0, 0.82, 0.80))
    assert found.diverged == 1 and found.curve[0] == pytest.approx((0.82 + 0.80) / 3)
    assert tolerance([cell]) == pytest.approx(0.04)  # of the other two rates, 4 rests of .02


def test_the_table(searched):
    (layout,) = tuning_tables(read_grid(searched.folder))
    assert layout.title == "sentiment, 16-shot: tuning"
    shown = columns(layout)
    assert shown["few-shot prompt"] == {
        "trials ": "2",
        "best of 1": "85.0",
        "best of 2": "90.0",
        "best of 3": MISSING,
        "plateau factors of ten": MISSING,
        "plateau rates": MISSING,
        "runs diverged": MISSING,
        "runs not learned": MISSING,
        "train-dev gap": MISSING,
    }
    wide = plateau(RATES, MEANS, tolerance_of(searched))
    assert (
        wide.above
        and 1 < wide.decades < 1.2
        and shown["LoRA"]
        == {
            "trials ": "3",
            "best of 1": "76.0",
            "best of 2": "81.3",
            "best of 3": "82.0",
            "plateau factors of ten": f"≥ {wide.decades:.1f}",
            "plateau rates": "2 of 3",
            "runs diverged": "0 of 6",
            "runs not learned": "1 of 6",
            "train-dev gap": "+32.0",
        }
    )
    near = f"{100 * tolerance_of(searched):.1f}"
    assert layout.notes[0] == f"Tolerance of the plateau: {near} points."
    assert not any("lowest or highest tried:" in note for note in layout.notes)
    assert "Learning rates tried: 0.0001, 0.001, 0.01 (LoRA)." in layout.notes


def test_rows_that_try_the_same_rates_stand_together():
    rates = {"a": (0.1, 1e-5), "b": (), "c": (0.1, 1e-5), "d": (0.3,)}
    assert rates_note(rates) == ("Learning rates tried: 0.1, 1e-05 (a, c); 0.3 (d).",)
    assert rates_note({"b": ()}) == ()
    trials = [{"rank": 2, "learning_rate": 0.1}, {"stages.learning_rate": 0.01}, {"template": 1}]
    assert tried_rates(trials) == (0.01, 0.1)


def tolerance_of(sweep):
    return tolerance(list(read_grid(sweep.folder).cells.values()))


def test_a_best_rate_at_the_end_is_noted(sweep):
    for trial in range(3):
        for seed in range(2):
            run(sweep, trial, seed, 0.9 - 0.1 * trial)
    (layout,) = tuning_tables(read_grid(sweep.folder))
    assert layout.notes[1] == "The best rate is the lowest or highest tried: LoRA (0.0001)."
    assert columns(layout)["LoRA"]["runs not learned"] == "0 of 6"


def test_all_searches_have_a_place_in_files(finished, sweep):
    grid, (_, files) = read_grid(finished), build_tables(finished)
    layouts = tuning_tables(grid)
    assert [len(layout.rows) + len(layout.baselines) for layout in layouts] == [6] * 4
    assert files["tuning.md"].count(b": tuning") == 4
    assert [len(layout.notes) > 2 for layout in layouts] == [False, False, False, True]
    assert files["tuning.tex"].isascii() and b"$\\geq$" in files["tuning.tex"]
    sweep.cell(2, 0, 0, skip=lambda trial, seed: trial == 2)
    assert tuning_tables(read_grid(sweep.folder)) == []
    assert not {"tuning.md", "tuning.tex"} & build_tables(sweep.folder)[1].keys()


def test_many_trials_have_powers_of_two():
    assert [_counts(n) for n in (1, 3, 6)] == [[1], [1, 2, 3], [1, 2, 3, 4, 5, 6]]
    assert [_counts(n) for n in (7, 8, 11)] == [[1, 2, 4, 7], [1, 2, 4, 8], [1, 2, 4, 8, 11]]


def test_a_rate_is_compared_with_all_else_equal():
    rate = "stages.learning_rate"
    trials = [{rate: 1e-3, "draw": d} for d in (0, 1)] + [{rate: 1e-2, "draw": d} for d in (0, 1)]
    assert _rates(trials, 3) == {1e-3: 1, 1e-2: 3}
    assert _rates([{"C": 1.0}, {"C": 2.0}], 0) == {} == _rates([{}], 0)
    assert _rates([{"learning_rate": 1e-3, "draw": d} for d in (0, 1)], 0) == {}
    assert _rates([{rate: 1e-3, "draw": 0}, {rate: 1e-2, "draw": 1}], 0) == {}
    both = [{"stages.0.learning_rate": r, "stages.1.learning_rate": r} for r in (1e-3, 1e-2)]
    assert _rates(both, 0) == {}
