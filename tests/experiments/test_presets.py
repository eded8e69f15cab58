"""Rows of configs, and the learning rates that methods bring along."""

import itertools

import pytest

from research.common.errors import InputError
from research.experiments.presets import trained
from research.methods import METHODS
from research.methods.method import Method

NAMES = [{"name": name} for name in METHODS]


@pytest.mark.parametrize("method", NAMES, ids=METHODS)
def test_every_method_has_learning_rates_of_its_own(method: dict):
    """As many as all others, about a factor of three to ten apart, and said why."""
    rates = METHODS[method["name"]].learning_rates
    row = trained("row", method)
    assert [trial["learning_rate"] for trial in row["trials"]] == list(rates)
    assert len(rates) == 3
    assert all(2.9 < later / rate < 10.1 for rate, later in itertools.pairwise(rates))
    assert "learning rates:" in (METHODS[method["name"]].__doc__ or "").lower()


def test_rates_that_are_given_count():
    assert trained("row", {"name": "lora"}, (0.5,))["trials"] == [{"learning_rate": 0.5}]


def test_without_rates_there_is_a_sentence(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(METHODS, "plain", Method)
    with pytest.raises(InputError, match="learning_rates is None: the method 'plain' has none"):
        trained("row", {"name": "plain"})
    with pytest.raises(InputError, match="method is 'lara': did you mean 'lora'?"):
        trained("row", {"name": "lara"})
