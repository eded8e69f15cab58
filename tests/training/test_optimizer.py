"""Optimizers and schedules against plain formulas and against optax's own."""

import math
from dataclasses import replace
from functools import partial

import jax
import numpy as np
import optax
import pytest

from research.methods.shared.leaves import mask, split
from research.training.optimizer import Schedule, learning_rate_at, optimizer
from research.training.parallel import step_on
from research.training.step import init_state
from tests.tiny import FRAME, ONE, batch
from tests.training.members import METHOD, PROGRAM, SCHEDULE, member


def plain_rate(schedule: Schedule, step: int) -> float:
    """The share of the peak at `step`, in plain Python."""
    rising = max(1, round(schedule.warmup * schedule.steps))
    if step < rising:
        return (step + 1) / rising
    done = (step + 1 - rising) / (schedule.steps - rising + 1)
    return {
        "constant": 1.0,
        "linear": 1.0 - done,
        "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
    }[schedule.decay]


@pytest.mark.parametrize("decay", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("steps, warmup", [(40, 0.25), (17, 0.0), (1, 0.1), (8, 1.0)])
def test_learning_rate_at_every_step(decay, steps, warmup):
    """With a traced peak: one program serves them all."""
    schedule = Schedule(steps=steps, warmup=warmup, decay=decay)
    rates = jax.jit(jax.vmap(partial(learning_rate_at, schedule), in_axes=(None, 0)))
    expected = np.array([plain_rate(schedule, step) for step in range(steps)])
    for peak in (0.3, 1e-4):
        seen = rates(np.float32(peak), np.arange(steps, dtype=np.int32))
        np.testing.assert_allclose(seen, peak * expected, rtol=1e-5, atol=1e-7 * peak)
    assert rates._cache_size() == 1


def test_warm_up_rises_from_the_first_step_and_decay_uses_the_last():
    schedule = Schedule(steps=20, warmup=0.2, decay="linear")
    rates = [float(learning_rate_at(schedule, np.float32(1.0), step)) for step in range(20)]
    assert rates[:4] == [0.25, 0.5, 0.75, 1.0]
    assert rates[3:] == pytest.approx([1 - i / 17 for i in range(17)])  # 0 would come next


@pytest.mark.parametrize("decay", ["constant", "linear", "cosine"])
@pytest.mark.parametrize("steps, warmup", [(40, 0.25), (17, 0.0), (1, 0.1), (1, 1.0), (8, 1.0)])
def test_warm_up_from_zero(decay, steps, warmup):
    """As transformers has it; tests/parity compares with its code."""
    schedule = Schedule(steps=steps, warmup=warmup, decay=decay, warmup_from_zero=True)
    rising = round(warmup * steps)

    def expected(step: int) -> float:
        if step < rising:
            return step / rising
        done = (step - rising) / max(1, steps - rising)
        return {
            "constant": 1.0,
            "linear": 1.0 - done,
            "cosine": 0.5 * (1.0 + math.cos(math.pi * done)),
        }[decay]

    rates = [float(learning_rate_at(schedule, np.float32(1.0), step)) for step in range(steps)]
    assert rates == pytest.approx([expected(step) for step in range(steps)], abs=1e-6)
    if rising == 0:
        default = replace(schedule, warmup_from_zero=False)
        same = [float(learning_rate_at(default, np.float32(1.0), step)) for step in range(steps)]
        assert rates == same


# Leaves of every kind: one large enough that Adafactor factors it.
SHAPES = {"large": (128, 160), "small": (3, 4), "scale": (5,)}


def leaves(seed: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(seed)
    return {name: draw.normal(size=s).astype(np.float32) for name, s in SHAPES.items()}


def after(transform_at, steps: int = 3, gradient: float = 1.0) -> dict[str, jax.Array]:
    """`leaves(0)` after some steps of `transform_at(learning rate, weight decay)`, both traced."""

    @jax.jit
    def advance(params, state, grads, rate, decay):
        updates, state = transform_at(rate, decay).update(grads, state, params)
        return optax.apply_updates(params, updates), state

    params = leaves(0)
    state = transform_at(0.0, 0.0).init(params)
    for step in range(steps):
        grads = {name: gradient * leaf for name, leaf in leaves(1 + step).items()}
        params, state = advance(params, state, grads, np.float32(0.01), np.float32(0.1))
    return params


def matrices(params):
    return {name: name != "scale" for name in params}


@pytest.mark.parametrize("clip", [None, 1.0])
def test_adamw_equals_optax(clip):
    """Decay on matrices alone; gradients, of norm about 140, are clipped first."""

    def reference(rate, decay):
        clipping = optax.identity() if clip is None else optax.clip_by_global_norm(clip)
        return optax.chain(clipping, optax.adamw(rate, weight_decay=decay, mask=matrices))

    ours = after(partial(optimizer, Schedule(optimizer="adamw", clip=clip)))
    for name, leaf in after(reference).items():
        np.testing.assert_allclose(ours[name], leaf, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("scaled, factored", [(True, True), (False, True), (False, False)])
def test_adafactor_equals_optax(scaled, factored):
    """optax does not scale Adafactor's decay by the learning rate; AdamW and ours do."""

    def reference(rate, decay):
        return optax.adafactor(
            rate,
            weight_decay_rate=rate * decay,
            weight_decay_mask=matrices,
            multiply_by_parameter_scale=scaled,
            factored=factored,
        )

    plain = Schedule(optimizer="adafactor", clip=None)
    ours = after(partial(optimizer, replace(plain, parameter_scale=scaled, factored=factored)))
    for name, leaf in after(reference).items():
        np.testing.assert_allclose(ours[name], leaf, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", ["adamw", "adafactor"])
def test_decay_shrinks_matrices_alone(name):
    ours = after(partial(optimizer, Schedule(optimizer=name)), steps=1, gradient=0.0)
    for path, leaf in leaves(0).items():
        kept = 1.0 if path == "scale" else 1.0 - 0.01 * 0.1
        np.testing.assert_allclose(ours[path], kept * leaf, rtol=1e-6)


def test_clipping_measures_the_trained_gradients_alone():
    """Were frozen ones in the norm, the trained ones would come out smaller than `clip`."""
    step, one = step_on(PROGRAM, ONE), member(0)
    trained, frozen = split(one.leaves, mask((METHOD,), one.leaves))
    state = step.place(init_state(PROGRAM, jax.random.PRNGKey(0), trained))
    state, _ = step(state, step.place(frozen), batch(16, width=16), FRAME, one.hyper)
    # Adam's first moment after one step is a tenth of the clipped gradient.
    moment = 10 * np.sqrt(sum(np.sum(np.square(mu)) for mu in state.optimizer[1].mu.values()))
    assert moment == pytest.approx(SCHEDULE.clip, rel=1e-5)
