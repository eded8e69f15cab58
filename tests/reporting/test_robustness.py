"""The tables of costs and of what holds up: what stands in them, and where it comes from."""

import itertools

import numpy as np
import pytest

from research.records.measurements import Forgetting, Robustness
from research.reporting.build import build_tables
from research.reporting.format import MISSING
from research.reporting.grid.grid import read_grid
from research.reporting.tables.robustness import robustness_tables
from research.stats.groups import LEAST, GroupScore
from tests.reporting.columns import columns
from tests.reporting.conftest import APPROACHES, draw


def test_only_columns_with_values_are_shown(finished):
    grid = read_grid(finished)
    layouts = robustness_tables(grid)
    assert [layout.title.partition(":")[0] for layout in layouts] == [
        "sentiment, 16-shot",
        "sentiment, 500 examples",
        "topic_50%, 16-shot",
        "topic_50%, 500 examples",
    ]
    for layout in layouts:
        assert layout.heads == (("worst", "group"), ("agreement", "of seeds"))
        assert len(layout.rows) == 4 and len(layout.baselines) == 2
    assert [bool(layout.notes) for layout in layouts] == [False, False, False, True]


def test_agreement_and_the_worst_label_by_hand(finished):
    grid = read_grid(finished)
    cell = grid.cell("LoRA", ("sentiment", "16-shot"))
    assert cell is not None
    predicted = np.stack([one.predicted for one in cell.predictions])
    gold = cell.predictions[0].gold
    pairs = itertools.combinations(range(5), 2)
    agree = np.mean([(predicted[a] == predicted[b]).mean() for a, b in pairs])
    by_label = [(predicted == gold)[:, gold == label].mean() for label in (0, 1)]
    name = ("negative", "positive")[int(np.argmin(by_label))]
    shown = columns(robustness_tables(grid)[0])["LoRA"]
    assert shown == {
        "worst group": f"{100 * min(by_label):.1f} (label {name})",
        "agreement of seeds": f"{100 * agree:.1f}",
    }


def measured(seed, removable, **changes):
    """The fields of a tested run with everything measured; the seed moves some numbers."""
    groups = {
        "label": {"negative": GroupScore(0.8, 100), "positive": GroupScore(0.7, 9)},
        "group": {"old": GroupScore((0.9, 0.5)[seed % 2], LEAST), "new": GroupScore(0.75, 40)},
    }
    after = 2.5 + 0.1 * (seed % 2)
    return {
        "robustness": Robustness(groups, 0.9 + 0.02 * (seed % 2)),
        "forgetting": Forgetting(2.0, after, removable=removable, task=4.125, as_long=2.25),
        **changes,
    }


@pytest.fixture
def full(sweep):
    """Two seeds of two approaches with everything measured, two of one without."""
    sweep.seeds = 2
    dev = {"accuracy": 0.75, "macro_f1": 0.7, "loss": 1.0}
    costs = {"switch_seconds": 0.0004, "peak_bytes": 12_300_000, "train_flops": 1.5e15}
    for row, removable in ((0, True), (2, False)):
        for trial, seed in itertools.product(range(1 if row == 0 else 3), range(2)):
            fields = measured(seed, removable, costs=costs)
            best = trial == (0 if row == 0 else 1)
            test = draw(row, 0, 0, seed, APPROACHES[row][1]).metrics()
            train = {**dev, "accuracy": 0.875}
            fields["metrics"] = {"train": train, "dev": {**dev, "loss": 2.0 - best}}
            fields["metrics"] |= {"test": test} if best else {}
            sweep.run(row, 0, 0, trial, seed, best, **fields)
    sweep.cell(4, 0, 0)
    return sweep.folder


def test_all_that_is_measured_is_shown(full):
    (layout,) = robustness_tables(read_grid(full))
    shown = columns(layout)
    zero, lora, majority = (shown[n] for n in ("zero-shot prompt", "LoRA", "majority class"))
    assert zero | {"agreement of seeds": "", "train-dev gap": ""} == {
        "worst group": "70.0 (group old)",  # the mean of .9 and .5; nine positives are too few
        "train-dev gap": "",
        "agreement of seeds": "",
        "agreement of paraphrases": "91.0",
        "held-out loss": "+0.55",
        "switching milliseconds": "0.40",
        "peak memory": "12.3 MB",
        "training FLOPs": "1.5 P",
    }
    assert zero["train-dev gap"] == "+12.5"
    assert lora["held-out loss"] == "+0.55 (permanent)"
    assert majority["held-out loss"] == majority["peak memory"] == MISSING
    notes = " ".join(layout.notes)
    assert "is 4.12 nats per token on the task's inputs, and 2.25 on held-out text" in notes
    assert "Out of domain" not in notes and "(permanent): the backbone itself was changed" in notes
    content = build_tables(full)[1]
    assert b"## sentiment, 16-shot: robustness and costs" in content["table.md"]
    assert b"+0.55 (permanent)" in content["table.tex"] and content["table.tex"].isascii()


def test_why_there_is_no_language_model_loss(sweep):
    notes = {"cut_beside_test": {"ood": 2, "paraphrases": 1}}
    sweep.cell(0, 0, 0, forgetting=Forgetting(undefined="it has no words"), notes=notes)
    (layout,) = robustness_tables(read_grid(sweep.folder))
    assert layout.notes[0] == "No held-out loss: it has no words."
    assert layout.notes[1].endswith("paraphrases truncated to fit: zero-shot prompt 3.")
    assert not any("held-out" in head for head in layout.heads)
