"""What the reports say of a search through prompts."""

import itertools
import statistics
from dataclasses import replace

from research.common.hashing import run_id
from research.experiments.seeds import Seeds
from research.reporting.build import build_tables
from research.reporting.grid.grid import read_grid
from research.reporting.tables.prompts import prompt_search_tables
from research.stats.search_curves import enough, expected_best
from tests.run_records import stage

DEV = [0.50, 0.61, 0.58, 0.605, 0.42]  # of the trials, means over two seeds
PROMPT = {"baseline": None, "stages": []}


def write(sweep, dev=tuple(DEV), approach=None, name="searched", skip=()):
    """A cell of such trials with two search seeds; the best has more seeds, higher on dev."""
    trials = [{"template": i % 2, "draw": i} for i in range(len(dev))]
    base = sweep.run(2, 0, 0, 0, 0, tested=False)
    (sweep.folder / "runs" / f"{base.run_id}.json").unlink()
    configuration = replace(
        base.configuration,
        trials=tuple(trials),
        approach=approach or PROMPT,
        search_seeds=2,
        seeds=5,
    )
    for trial, seed in itertools.product(range(len(dev)), range(5)):
        if (trial, seed) in skip or (seed > 1 and dev[trial] < max(dev)):
            continue
        settings = {"name": name, "trial": trials[trial], "seed": seed}
        score = dev[trial] + (0.01, -0.01, 0.3, 0.3, 0.3)[seed]
        sweep.store.write(
            replace(
                base,
                run_id=run_id(settings),
                approach=name,
                settings=settings,
                configuration=configuration,
                trial=trials[trial],
                seeds=Seeds.alike(seed),
                metrics={"dev": {"accuracy": score, "loss": 1.0}},
            )
        )


def test_a_search_is_laid_out_with_its_curve(sweep):
    write(sweep)
    [layout] = prompt_search_tables(read_grid(sweep.folder))
    assert [head for head in layout.heads if head[0] == "best of"] == [
        ("best of", "1"),
        ("best of", "2"),
        ("best of", "4"),
    ]
    ((name, entries),) = layout.rows
    assert name == "searched, sentiment, 16-shot"
    curve = [f"{100 * expected_best(DEV, k):.1f}" for k in (1, 2, 4)]
    spread = ["42.0", "58.0", "61.0", f"{100 * statistics.stdev(DEV):.1f}"]
    assert [one.text for one in entries] == ["5", *spread, *curve, str(enough(DEV))]


def test_only_searches_of_prompts_have_a_place_there(sweep):
    write(sweep, approach={"stages": [stage("full")]}, name="full")
    write(sweep, approach={"baseline": "majority class", "stages": []}, name="baseline")
    write(sweep, dev=(0.5,), name="one")
    assert prompt_search_tables(read_grid(sweep.folder)) == []
    assert not {"prompts.md", "prompts.tex"} & build_tables(sweep.folder)[1].keys()
    write(sweep)
    assert {"prompts.md", "prompts.tex"} < build_tables(sweep.folder)[1].keys()


def test_a_search_that_goes_on_has_no_curve_yet(sweep):
    write(sweep, skip=[(4, 1)])
    assert prompt_search_tables(read_grid(sweep.folder)) == []
