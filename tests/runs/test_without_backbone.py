"""Runs without the backbone: what a baseline is fitted to."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from research.experiments.approach import Approach
from research.experiments.seeds import Seeds
from research.runs.scoring_progress import ignore_scoring
from research.runs.without_backbone import evaluate_without_backbone, run_without_backbone
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.sampling import Regime
from research.tasks.task import Task


def examples(split: str, labels: str) -> tuple[Example, ...]:
    return tuple(Example({"text": f"{split} {i}"}, label) for i, label in enumerate(labels))


# "b" is the most frequent class of training, and the second of three.
TASK = Task(
    name="letters",
    labels=("a", "b", "c"),
    templates=(Template("{text}:"),),
    verbalizer=Verbalizer({label: label for label in "abc"}),
    train=examples("train", "abbbc" * 20),
    test=examples("test", "abbcc" * 4),
)


def run(regime: str, seed: int = 0) -> Any:
    return SimpleNamespace(
        cell=SimpleNamespace(
            task=TASK, regime=Regime.parse(regime), experiment=SimpleNamespace(max_dev=12)
        ),
        approach=Approach("row", baseline="majority class"),
        seeds=Seeds.alike(seed),
    )


@pytest.mark.parametrize("regime", ["4-shot", "3", "all"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_majority_class_is_that_of_all_training_data(regime: str, seed: int):
    """In a balanced draw classes tie, and in a small one the most frequent is chance."""
    result = evaluate_without_backbone(run(regime, seed), Path(), ignore_scoring)
    answers = result.predictions["test"]
    assert {TASK.labels[index] for index in answers.predicted} == {"b"}
    assert answers.metrics()["accuracy"] == pytest.approx(0.4)


def test_the_row_still_has_the_examples_of_its_regime():
    result = run_without_backbone(run("4-shot"), Path(), ignore_scoring)
    assert result.n_train == 12
    assert (result.metrics["train"] or {})["accuracy"] == pytest.approx(1 / 3)
