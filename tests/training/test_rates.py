"""Learning rates of groups of leaves: by the schedule's patterns, and as a method asks for."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from research.common.config import build
from research.common.errors import InputError
from research.methods.lora import LoRA
from research.methods.shared.leaves import add, mask, split
from research.training.optimizer import RateOf, Schedule, rate_factors
from research.training.step import Program, init_state, train_step
from tests.tiny import FRAME, WORDS, batch, decoder, hyper

KEY = jax.random.PRNGKey(0)
PLAIN = Schedule(steps=4, batch_size=8, warmup=0.0, decay="constant")
step = jax.jit(train_step, static_argnums=0)


def moves(method: LoRA, schedule: Schedule) -> dict[str, np.ndarray]:
    """How far the first step moves each leaf."""
    model, params = decoder(layers=1)
    leaves = params | add(method, KEY, params, WORDS)
    trained, frozen = split(leaves, mask((method,), leaves))
    program = Program(model, schedule)
    state = init_state(program, KEY, trained)
    after, _ = step(program, state, frozen, batch(8), FRAME, hyper(method))
    return {p: np.asarray(leaf) - np.asarray(trained[p]) for p, leaf in after.trained.items()}


def test_groups_of_the_schedule_and_of_lora_are_multiplied():
    schedule = replace(PLAIN, rates=(RateOf("query/b", 0.5), RateOf("lora:.*", 3.0)))
    plain = moves(LoRA(rank=2), PLAIN)
    found = moves(LoRA(rank=2, b_rate=16.0), schedule)
    expected = {path: 3.0 for path in plain}
    expected["lora:layers_0/attention/query/b"] = 0.5 * 16
    expected["lora:layers_0/attention/value/b"] = 3.0 * 16
    for path, move in plain.items():
        # A move is the difference of two rounded numbers.
        np.testing.assert_allclose(found[path], expected[path] * move, rtol=1e-4, atol=1e-7)
    assert max(np.abs(move).max() for path, move in plain.items() if path.endswith("/b")) > 0.009


def test_a_group_is_the_leaves_of_a_method():
    schedule = replace(PLAIN, rates=(RateOf("head:.*", 10.0),))
    found = rate_factors(schedule, (), ["head:/kernel", "head:/bias", "embed/embedding"])
    assert {path: float(factor) for path, factor in found.items()} == {
        "head:/kernel": 10.0,
        "head:/bias": 10.0,
    }


def test_leaves_without_a_rate_of_their_own_are_left_out():
    assert (
        rate_factors(PLAIN, (LoRA(),), ["lora:layers_0/attention/query/b", "embed/embedding"]) == {}
    )


def test_a_pattern_that_fits_no_trained_leaf():
    schedule = replace(PLAIN, rates=(RateOf("embed/.*", 0.5),))
    with pytest.raises(InputError, match="rates.leaves is 'embed/.*': it fits nothing"):
        moves(LoRA(rank=2), schedule)


def test_rates_in_a_config():
    plain = {"steps": 3, "rates": [{"leaves": "head:.*", "factor": 10}]}
    assert build(Schedule, plain, "schedule").rates == (RateOf("head:.*", 10.0),)
    for wrong in (0, -1.0, float("inf")):
        with pytest.raises(InputError, match="rates.factor"):
            build(Schedule, {"rates": [{"leaves": "x", "factor": wrong}]}, "schedule")
