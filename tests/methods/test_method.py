"""What a method freezes of its own, what it adds to the loss, and what is stored of it."""

from dataclasses import replace

import jax
import numpy as np
import optax
import pytest

from research.methods.adalora import AdaLoRA
from research.methods.full import Full
from research.methods.lora import LoRA
from research.methods.lora_fa import LoRAFA
from research.methods.shared.leaves import (
    add,
    added_to,
    added_to_layers,
    mask,
    split,
    stored_frozen,
    stored_leaves,
)
from research.methods.vera import VeRA
from research.training import step
from research.training.optimizer import Schedule
from research.training.step import Program, init_state, train_step
from tests.tiny import FRAME, WORDS, batch, decoder, hyper, with_method

MODEL, PARAMS = decoder(layers=1)
KEY = jax.random.PRNGKey(0)
SCHEDULE = Schedule(steps=4, batch_size=4, warmup=0.0, clip=None)


def stepped(method, rows, schedule=SCHEDULE, params=PARAMS):
    """(leaves before, leaves that trained after one step, the step's metrics)."""
    program = Program(MODEL, schedule)
    leaves = with_method(method, params)
    trained, frozen = split(leaves, mask((method,), leaves))
    state = init_state(program, KEY, trained)
    state, metrics = jax.jit(train_step, static_argnums=0)(
        program, state, frozen, rows, FRAME, hyper(method)
    )
    return leaves, state, metrics


def test_frozen_leaves_of_a_method_have_no_gradient_and_no_optimizer_state():
    _, state, _ = stepped(LoRAFA(rank=2), batch(4))
    assert state.trained and all(path.endswith("/b") for path in state.trained)
    moments = [x.shape for x in jax.tree.leaves(state.optimizer) if np.ndim(x)]
    assert sorted(moments) == sorted(2 * [leaf.shape for leaf in state.trained.values()])


@pytest.mark.parametrize(
    ("method", "stored"),
    [(LoRA(rank=2), set()), (LoRAFA(rank=2), {"a"}), (VeRA(rank=2), set())],
    ids=lambda value: getattr(value, "name", None),
)
def test_frozen_leaves_are_stored_unless_they_can_be_drawn_again(method, stored):
    leaves = PARAMS | add(method, KEY, PARAMS, WORDS)
    found = stored_frozen((method,), leaves, mask((method,), leaves))
    assert {path.rpartition("/")[2] for path in found} == stored


def test_what_is_not_stored_is_drawn_again():
    method = VeRA(rank=3, targets=("attention/.*", "down"), projection_seed=5)
    added = added_to(method, add(method, KEY, PARAMS, WORDS))
    stored = added_to(method, stored_leaves((method,), add(method, KEY, PARAMS, WORDS)))
    assert all(leaf.keys() == {"d", "b"} for path, leaf in stored.items() if path)
    again = method.redrawn(PARAMS)
    assert again.keys() == {""} and again[""].keys() == added[""].keys()
    for name, matrix in again[""].items():
        np.testing.assert_array_equal(matrix, added[""][name])
    other = replace(method, projection_seed=6).redrawn(PARAMS)
    assert np.any(np.asarray(other[""]["matrix_a"] != again[""]["matrix_a"]))


def test_layers_see_the_leaves_of_the_model_as_a_whole():
    leaves = {"m:/shared": 1, "m:x/y/own": 2, "m:z/own": 3, "n:z/own": 4}
    method = type("M", (Full,), {"name": "m"})()
    assert added_to_layers(method, leaves) == {  # pyright: ignore
        "x/y": {"shared": 1, "own": 2},
        "z": {"shared": 1, "own": 3},
    }


def penalty_step(schedule=SCHEDULE, size=4, weight=0.3):
    """One step without the penalty, and one with it."""
    plain, penalized = AdaLoRA(rank=2, orthogonality=0.0), AdaLoRA(rank=2, orthogonality=weight)
    return stepped(plain, batch(size), schedule), stepped(penalized, batch(size), schedule)


def test_the_reported_loss_leaves_the_penalty_out():
    (_, _, plain), (_, _, penalized) = penalty_step()
    assert plain.loss == penalized.loss


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_penalty_is_added_once_a_step(accumulate, monkeypatch):
    """Its gradient is the same for any number of rows and micro-batches."""
    monkeypatch.setattr(step, "optimizer", lambda schedule, rate, decay: optax.scale(-1.0))
    for size in (4, 8):
        schedule = replace(SCHEDULE, batch_size=size, accumulate=accumulate)
        (leaves, plain, _), (_, penalized, _) = penalty_step(schedule, size)
        method = AdaLoRA(rank=2, orthogonality=0.3)
        for path, leaf in added_to(method, leaves).items():
            p, q = np.asarray(leaf["p"], np.float64), np.asarray(leaf["q"], np.float64)
            eye = np.eye(2)
            expected = {
                "p": 0.3 * 4 * p @ (p.T @ p - eye),
                "q": 0.3 * 4 * (q @ q.T - eye) @ q,
                "values": np.zeros(2),
            }
            for name, gradient in expected.items():
                at = f"adalora:{path}/{name}"
                change = np.asarray(plain.trained[at]) - np.asarray(penalized.trained[at])
                np.testing.assert_allclose(change, gradient, rtol=1e-3, atol=1e-4, err_msg=at)
