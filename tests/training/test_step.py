"""The train step, for every method: what moves, what does not, and by how much."""

import re
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from research.methods.shared.leaves import mask, split
from research.training.optimizer import Schedule, optimizer
from research.training.step import Program, init_state, train_step
from tests.thorough import cases
from tests.tiny import (
    FRAME,
    METHODS,
    all_logprobs,
    batch,
    decoder,
    hyper,
    loss_sum,
    with_method,
)

SCHEDULE = Schedule(steps=8, batch_size=8, warmup=0.0, decay="constant")


def start(name: str, schedule: Schedule = SCHEDULE):
    """(program, state, frozen, hyper) before the first step."""
    model, params = decoder()
    method = METHODS[name]
    leaves = with_method(method, params)
    trained, frozen = split(leaves, mask((method,), leaves))
    program = Program(model, schedule)
    return program, init_state(program, jax.random.PRNGKey(0), trained), frozen, hyper(method)


step = jax.jit(train_step, static_argnums=0)


@pytest.mark.thorough
def test_smoothed_labels():
    """Against optax's, on one plain forward pass a row; steps differ with them."""
    program, state, frozen, hypers = start("last_layers", replace(SCHEDULE, label_smoothing=0.1))
    rows = batch(2)
    moved, metrics = step(program, state, frozen, rows, FRAME, hypers)
    losses = []
    for i in range(2):
        begin, end = rows.prompt_length[i], rows.length[i]
        ids = np.concatenate([FRAME.prefix_ids[: FRAME.prefix_length], rows.tokens[i, :end]])
        logprobs = all_logprobs(program.model, {**frozen, **state.trained}, ids)
        classes = np.eye(program.model.config.vocab_size, dtype=np.float32)[ids[-(end - begin) :]]
        smoothed = optax.smooth_labels(classes, 0.1)
        losses.append(optax.softmax_cross_entropy(logprobs[-(end - begin) - 1 : -1], smoothed))
    np.testing.assert_allclose(metrics.loss, np.concatenate(losses).mean(), rtol=1e-5)
    plain, _ = step(replace(program, schedule=SCHEDULE), state, frozen, rows, FRAME, hypers)
    assert any(not np.array_equal(moved.trained[p], plain.trained[p]) for p in plain.trained)


@pytest.mark.parametrize("name", cases(METHODS, quick=("lora",)))
def test_training_equals_partition_with_set_to_zero(name):
    """The same steps by optax alone: gradients of all leaves, frozen ones set to zero."""
    program, state, frozen, hypers = start(name)
    leaves = {**frozen, **state.trained}
    labels = {path: "train" if path in state.trained else "freeze" for path in leaves}
    reference = optax.partition(
        {"train": optimizer(SCHEDULE, hypers.learning_rate, 0.0), "freeze": optax.set_to_zero()},
        labels,
    )

    @jax.jit
    def slow_step(leaves, optimizer_state, rows):
        tokens = (rows.length - rows.prompt_length).sum()
        grads = jax.grad(lambda x: loss_sum(program.model, hypers.methods, x, rows))(leaves)
        grads = jax.tree.map(lambda g: g / tokens, grads)
        updates, optimizer_state = reference.update(grads, optimizer_state, leaves)
        return optax.apply_updates(leaves, updates), optimizer_state

    expected, optimizer_state = dict(leaves), reference.init(leaves)
    for i in range(2):
        rows = batch(8, seed=i)
        state, _ = step(program, state, frozen, rows, FRAME, hypers)
        expected, optimizer_state = slow_step(expected, optimizer_state, rows)
    for path, leaf in state.trained.items():
        # Where a gradient is near zero, Adam's division enlarges the last bits of its sum; steps
        # are of size 1e-2.
        np.testing.assert_allclose(leaf, expected[path], rtol=0, atol=1e-5)
        assert np.any(np.asarray(leaf) != np.asarray(leaves[path])), f"{path} did not move"
    for path, leaf in frozen.items():
        np.testing.assert_array_equal(leaf, expected[path])


@pytest.mark.parametrize("name", METHODS)
def test_frozen_leaves_have_no_optimizer_state(name):
    _, state, frozen, _ = start(name)
    held = sum(leaf.size for leaf in jax.tree.leaves(state.optimizer) if leaf.ndim)
    assert held == 2 * sum(leaf.size for leaf in state.trained.values())
    assert not frozen.keys() & state.trained.keys()


@pytest.mark.thorough
def test_no_gradient_is_computed_for_frozen_leaves():
    """By the FLOPs of the compiled step, on a body where embeddings and head weigh little."""
    flops = {}
    for name in ("full", "soft_prompt", "lora", "last_layers"):
        model, params = decoder(width=32, hidden=96, layers=4, vocab_size=23)
        method = METHODS[name]
        leaves = with_method(method, params)
        trained, frozen = split(leaves, mask((method,), leaves))
        program = Program(model, SCHEDULE)
        state = init_state(program, jax.random.PRNGKey(0), trained)
        lowered = step.lower(program, state, frozen, batch(8), FRAME, hyper(method))
        flops[name] = lowered.compile().cost_analysis()["flops"]
    # Full computes activations' and weights' gradients, a soft prompt only the former (2/3 of
    # it), the last of four layers a forward pass and a quarter of the rest (1/3 + 2/3 / 4).
    assert flops["soft_prompt"] < 0.80 * flops["full"]
    assert flops["lora"] < 0.90 * flops["full"]
    assert flops["last_layers"] < 0.65 * flops["full"]


@pytest.mark.parametrize("parts", cases([2, 4], quick=(2,)))
def test_accumulation_equals_the_big_batch(parts):
    """Rows have targets of two and three tokens, so a mean of means would differ."""
    program, state, frozen, hypers = start("lora")
    rows = batch(8)
    whole, metrics = step(program, state, frozen, rows, FRAME, hypers)
    cut = Program(program.model, Schedule(**{**vars(SCHEDULE), "accumulate": parts}))
    pieces, same = step(cut, state, frozen, rows, FRAME, hypers)
    assert float(metrics.loss) == pytest.approx(float(same.loss), rel=1e-6)
    assert int(metrics.tokens) == int(same.tokens) == int((rows.length - rows.prompt_length).sum())
    for path, leaf in whole.trained.items():
        np.testing.assert_allclose(leaf, pieces.trained[path], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", cases(METHODS, quick=("lora",)))
def test_layers_computed_again_give_the_same_step(name):
    """Dropout included; in float32, sums of gradients may come in another order."""
    program, state, frozen, hypers = start(name)
    again = replace(program, remat=True)
    rows = batch(8)
    text = str(jax.make_jaxpr(partial(train_step, again))(state, frozen, rows, FRAME, hypers))
    # Each of two layers reads the rows, and the opening before them.
    assert len(re.findall(r"\bremat\w*\[", text)) == 4
    plain, metrics = step(program, state, frozen, rows, FRAME, hypers)
    same, others = step(again, state, frozen, rows, FRAME, hypers)
    assert float(others.loss) == pytest.approx(float(metrics.loss), rel=1e-6)
    for path, leaf in plain.trained.items():
        np.testing.assert_allclose(leaf, same.trained[path], rtol=0, atol=1e-6)


@pytest.mark.thorough
def test_padding_rows_and_columns_change_nothing():
    program, state, frozen, hypers = start("lora")
    rows = batch(8)
    none = jax.tree.map(np.zeros_like, rows)
    wide = jax.tree.map(lambda *parts: np.concatenate(parts), rows, none)
    wide = wide._replace(tokens=np.pad(wide.tokens, ((0, 0), (0, 7)), constant_values=13))
    plain, metrics = step(program, state, frozen, rows, FRAME, hypers)
    padded, same = step(program, state, frozen, wide, FRAME, hypers)
    assert float(metrics.loss) == pytest.approx(float(same.loss), rel=1e-6)
    for path, leaf in plain.trained.items():
        np.testing.assert_allclose(leaf, padded.trained[path], rtol=0, atol=1e-5)


@pytest.mark.thorough
def test_dropout_depends_on_the_row_and_the_step_not_on_padding():
    program, state, frozen, hypers = start("lora")
    method = replace(METHODS["lora"], dropout=0.5)
    dropped = hypers._replace(methods=(jax.tree.map(np.float32, method),))
    rows = batch(8)
    wide = rows._replace(tokens=np.pad(rows.tokens, ((0, 0), (0, 7)), constant_values=13))
    loss = lambda state, rows, h: float(step(program, state, frozen, rows, FRAME, h)[1].loss)  # noqa: E731
    once = loss(state, rows, dropped)
    assert once == pytest.approx(loss(state, wide, dropped), rel=1e-5)
    assert once == loss(state, rows, dropped)
    assert abs(once - loss(state, rows, hypers)) > 1e-4
    assert abs(once - loss(state._replace(step=state.step + 1), rows, dropped)) > 1e-4
    turned = jax.tree.map(lambda field: np.asarray(field)[::-1], rows)
    assert once == pytest.approx(loss(state, turned, dropped), rel=1e-5)


@pytest.mark.thorough
def test_bf16_computes_low_and_trains_high():
    program, state, frozen, hypers = start("full")
    low = Program(program.model, program.schedule, jnp.bfloat16)
    after, metrics = step(low, state, frozen, batch(8), FRAME, hypers)
    exact, reference = step(program, state, frozen, batch(8), FRAME, hypers)
    assert all(leaf.dtype == jnp.float32 for leaf in after.trained.values())
    assert float(metrics.loss) != float(reference.loss)
    assert float(metrics.loss) == pytest.approx(float(reference.loss), rel=0.05)
    moved = [np.abs(after.trained[p] - state.trained[p]).max() for p in after.trained]
    assert min(moved) > 0


@pytest.mark.parametrize("name", cases(["adamw", "adafactor"], quick=()))
def test_optimizers_learn(name):
    schedule = Schedule(steps=30, batch_size=8, optimizer=name, decay="cosine")
    program, state, frozen, hypers = start("full", schedule)
    hypers = hypers._replace(learning_rate=np.float32(0.03))
    losses = []
    for i in range(30):
        state, metrics = step(program, state, frozen, batch(8, seed=i % 3), FRAME, hypers)
        losses.append(float(metrics.loss))
    assert np.mean(losses[-3:]) < 0.3 * losses[0]


def test_golden_step():
    """One step of LoRA with dropout off, from fixed leaves, on a fixed batch."""
    program, state, frozen, hypers = start("lora")
    state, metrics = step(program, state, frozen, batch(8), FRAME, hypers)
    b = state.trained["lora:layers_0/attention/query/b"]
    seen = {"loss": float(metrics.loss), "sum of |b|": float(jnp.abs(b).sum())}
    golden = {"loss": GOLDEN_LOSS, "sum of |b|": GOLDEN_B}
    assert seen == pytest.approx(golden, rel=2e-5), (
        f"one train step gives {seen}, not {golden}. If you did not mean to change any number, "
        "this is a bug. If you did, raise CODE_VERSION in research/experiments/plan.py, so that no "
        "old run is taken for a new one, and put the numbers seen here into this test."
    )


GOLDEN_LOSS, GOLDEN_B = 3.8107402, 6.1690445
