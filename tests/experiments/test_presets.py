"""Rows of configs, and the learning rates that methods bring along."""

import itertools
from dataclasses import dataclass
from typing import ClassVar

import pytest

from research.common.config import build_named
from research.common.errors import InputError
from research.experiments.parse_approach import parse_approach
from research.experiments.presets import trained, with_head, zero_shot
from research.experiments.trials import for_backbone, trials_on
from research.methods import METHODS
from research.methods.lora import LoRA
from research.methods.method import LARGE_BACKBONE, Method
from research.tasks import TASKS
from research.training.optimizer import Schedule

NAMES = [{"name": name} for name in METHODS]
LARGE, SMALL = LARGE_BACKBONE, LARGE_BACKBONE - 1


def rates_of(row: dict, parameters: int) -> list[float]:
    """The learning rates that a row tries with a backbone of this many parameters."""
    approach = for_backbone(parse_approach(row, Schedule(), "row"), parameters)
    return [trial["learning_rate"] for trial in approach.trials]  # pyright: ignore


@pytest.mark.parametrize("method", NAMES, ids=METHODS)
def test_every_method_has_learning_rates_of_its_own(method: dict):
    """As many as all others, about a factor of three to ten apart, and said why."""
    rates = METHODS[method["name"]].learning_rates
    assert rates_of(trained("row", method), LARGE) == list(rates)
    assert len(rates) == 3
    assert all(2.9 < later / rate < 10.1 for rate, later in itertools.pairwise(rates))
    assert "learning rates:" in (METHODS[method["name"]].__doc__ or "").lower()


@pytest.mark.parametrize(
    "method, rates",
    [
        ("soft_prompt", [3e-2, 1e-1, 3e-1]),
        ("head", [3e-3, 1e-2, 3e-2]),
        ("lora", [1e-3, 3e-3, 1e-2]),
        ("dora", [1e-3, 3e-3, 1e-2]),
        ("last_layers", [3e-4, 1e-3, 3e-3]),
        ("full", [1e-4, 3e-4, 1e-3]),
        ("bottleneck", [3e-4, 3e-3, 3e-2]),
    ],
)
def test_rates_for_small_backbones(method: str, rates: list[float]):
    """They are exactly these numbers, since the id of a run depends on them."""
    assert rates_of(trained("row", {"name": method}), SMALL) == rates


def test_a_method_that_states_no_rates_has_those_of_lora(monkeypatch: pytest.MonkeyPatch):
    @dataclass(frozen=True)
    class Plain(Method):
        name: ClassVar[str] = "plain"

    monkeypatch.setitem(METHODS, "plain", Plain)
    row = trained("row", {"name": "plain"})
    assert rates_of(row, LARGE) == list(LoRA.learning_rates)
    assert rates_of(row, SMALL) == [1e-3, 3e-3, 1e-2]


def test_methods_that_train_together_have_the_lowest_rates():
    assert rates_of(with_head("row", [{"name": "full"}]), LARGE) == [1e-5, 3e-5, 1e-4]
    assert rates_of(with_head("row", [{"name": "soft_prompt"}]), SMALL) == [3e-3, 1e-2, 3e-2]
    assert rates_of(with_head("row", []), SMALL) == [3e-3, 1e-2, 3e-2]


def test_rates_that_are_given_count():
    assert trained("row", {"name": "lora"}, (0.5,))["trials"] == [{"learning_rate": 0.5}]
    assert rates_of(trained("row", {"name": "lora"}, (0.5,)), SMALL) == [0.5]


def test_learning_rates_need_a_stage_and_a_backbone():
    allowed = "row.trials is 'learning_rates': the approach has no stage to train"
    with pytest.raises(InputError, match=allowed):
        parse_approach(zero_shot() | {"trials": "learning_rates"}, Schedule(), "row")
    approach = parse_approach(trained("row", {"name": "lora"}), Schedule(), "row")
    task = build_named(TASKS, {"source": "world", "name": "sentiment"}, "task", "source").load()
    with pytest.raises(ValueError, match="row: the trials depend on the backbone"):
        trials_on(approach, task)
    with pytest.raises(InputError, match="method.name is 'lara': did you mean 'lora'?"):
        parse_approach(trained("row", {"name": "lara"}), Schedule(), "row")
