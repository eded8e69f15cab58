"""A results folder as a sweep leaves it, made of drawn answers."""

import json
from dataclasses import replace

import numpy as np
import pytest

from research.records.configuration import Order
from research.records.costs import Costs
from research.records.measurements import DataChecksums, Notes, Robustness
from research.records.predictions.labels import LabelPredictions
from research.records.store import RunStore
from research.stats.groups import group_scores
from tests.run_records import CONFIGURATION, make_record, stage

SEEDS, SEARCH_SEEDS, ITEMS = 5, 2, 200
LABELS = ("negative", "positive")
TASKS, REGIMES = ("sentiment", "topic_50%"), ("16-shot", "500")
# Name, skill (log-odds of a right answer), trials, trained parameters, demonstrations.
APPROACHES = (
    ("zero-shot prompt", 0.3, [{}], 0, 0),
    ("few-shot prompt", 0.8, [{"draw": 0}, {"draw": 1}], 0, 8),
    ("LoRA", 2.5, [{"learning_rate": r} for r in (1e-4, 1e-3, 1e-2)], 12288, 0),
    ("full fine-tuning", 2.45, [{"learning_rate": r} for r in (1e-5, 1e-4, 1e-3)], 1234567, 0),
    ("majority class", 0.0, [{}], 0, 0),
    ("TF-IDF + logistic regression", 1.5, [{"C": 0.1}, {"C": 1.0}], 900, 0),
)


class Sweep:
    """Writes the runs of a cell; `skip` and `change` make the odd cases of the tests."""

    def __init__(self, folder, seeds=SEEDS):
        self.folder, self.seeds, self.store = folder, seeds, RunStore(folder)

    def cell(self, a, t, r, skip=lambda trial, seed: False, **change):
        """Every trial with the search seeds, the last trial but one best on dev, it with all."""
        trials = APPROACHES[a][2]
        best = max(len(trials) - 2, 0)
        for trial, _ in enumerate(trials):
            for seed in range(self.seeds if trial == best else min(SEARCH_SEEDS, self.seeds)):
                if not skip(trial, seed):
                    self.run(a, t, r, trial, seed, trial == best, **change)

    def run(self, a, t, r, trial, seed, tested, **change):
        name, skill, trials, trained, shown = APPROACHES[a]
        metrics = {
            "dev": {"accuracy": 0.9 - 0.1 * (not tested), "macro_f1": 0.5, "loss": 1.0 - tested}
        }
        answers = draw(a, t, r, seed, skill)
        if tested:
            metrics["test"] = answers.metrics()
        settings = {"cell": [a, t, r], "trial": trials[trial], "seed": seed}
        stages = (stage("full"),) if trained and a < 4 else ()
        base = make_record(
            seed,
            settings=settings | change.pop("settings", {}),
            approach=name,
            task=TASKS[t],
            regime=REGIMES[r],
            n_train=(32, 500)[r],
            trial=trials[trial],
            metric=("accuracy", "macro_f1")[t],
            labels=LABELS,
            metrics=change.pop("metrics", metrics),
            data=DataChecksums(TASKS[t], "split"),
            costs=Costs(
                trained_params=trained,
                stored_bytes=4 * trained,
                train_seconds=1.0 + seed + t,
                added_tokens=30 * shown * (1 + r),
            ),
            notes=Notes(n_dev=32, demonstrations=shown),
            robustness=Robustness(label_groups(answers)) if tested else None,
            configuration=replace(
                CONFIGURATION,
                seeds=self.seeds,
                search_seeds=min(SEARCH_SEEDS, self.seeds),
                trials=tuple(trials),
                order=Order(a, t, r),
                approach={
                    "baseline": name if a > 3 else None,
                    "stages": stages,
                    "demonstrations": shown,
                },
            ),
        )
        parts = {name: change.pop(name) for name in ("costs", "notes") if name in change}
        changed = {n: replace(getattr(base, n), **values) for n, values in parts.items()}
        record = replace(base, **changed, **change)
        return self.store.write(record, {"test": answers} if record.tested else None)

    def grid(self):
        for approach, _ in enumerate(APPROACHES):
            for task, _ in enumerate(TASKS):
                for regime, _ in enumerate(REGIMES):
                    self.cell(approach, task, regime)


def label_groups(answers):
    names = [LABELS[index] for index in answers.gold]
    return {"label": group_scores(answers.predicted == answers.gold, names)}


def draw(approach, task, regime, seed, skill):
    """Answers right with the approach's skill, harder on some items, better in some seeds."""
    gold = np.random.default_rng(task).integers(2, size=ITEMS)
    hard = np.random.default_rng(10 + task).normal(size=ITEMS)
    rng = np.random.default_rng([approach, task, regime, seed])
    odds = skill + 0.2 * rng.normal() + hard
    right = rng.random(ITEMS) < 1 / (1 + np.exp(-odds))
    predicted = np.where(right, gold, 1 - gold)
    return LabelPredictions(LABELS, gold, predicted, np.eye(2)[predicted])


@pytest.fixture
def sweep(tmp_path):
    return Sweep(tmp_path)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """The folder of a finished sweep; tests that write copy it."""
    folder = tmp_path_factory.mktemp("results")
    Sweep(folder).grid()
    return folder


@pytest.fixture
def edit():
    """Changes one record of a folder by hand, as nobody should."""

    def change(path, **fields):
        path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))

    return change
