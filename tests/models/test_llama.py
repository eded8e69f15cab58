"""What any decoder must keep: causality, silent padding, memories equal to concatenation."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.models.backbone import random_params
from research.models.llama.model import Decoder, DecoderConfig
from tests.thorough import cases

TOKENS = np.random.default_rng(3).integers(0, 23, (4, 7)).astype(np.int32)


def steps(tokens, start=0):
    rows, length = tokens.shape[:2]
    return np.tile(np.arange(start, start + length, dtype=np.int32), (rows, 1))


def forward(model, params, inputs, positions, valid, memories=()):
    """(logits [B, T, V], memory)."""
    variables = {"params": unflatten_dict(params, sep="/")}
    hidden, memory = model.apply(variables, inputs, positions, valid, memories)
    return model.apply(variables, hidden, method="logits"), memory


compiled = jax.jit(forward, static_argnums=0)


def run(model, params, inputs, positions=None, valid=None, memories=()):
    """`forward`, as numpy; by default with positions 0, 1, ... and nothing padded."""
    positions = steps(inputs) if positions is None else positions
    valid = np.ones(inputs.shape[:2], bool) if valid is None else valid
    return jax.device_get(compiled(model, params, inputs, positions, valid, memories))


@pytest.fixture(scope="module")
def tiny(make):
    return make()


def test_an_output_layer_among_the_leaves_is_read_where_the_config_ties_it(make):
    """As in an adapter that separates it from the table of token embeddings."""
    model, params = make(layers=1)
    head = np.random.default_rng(0).normal(size=(16, 23)).astype(np.float32)
    apart, leaves = model.untied({**params, "head/kernel": head})
    assert model.config.tied and not apart.config.tied
    expected, found = run(apart, leaves, TOKENS)[0], run(model, leaves, TOKENS)[0]
    np.testing.assert_array_equal(found, expected)
    assert np.abs(found - run(model, params, TOKENS)[0]).max() > 0.1


def test_leaves_have_the_names_that_methods_rely_on(make):
    _, params = make(layers=1, tied=False, attention_bias=True, mlp_bias=True)
    dense = [f"attention/{n}" for n in ("query", "key", "value", "out")]
    dense += [f"mlp/{n}" for n in ("gate", "up", "down")]
    expected = {f"layers_0/{n}/{leaf}" for n in dense for leaf in ("kernel", "bias")}
    expected |= {"layers_0/attention_norm/scale", "layers_0/mlp_norm/scale"}
    assert params.keys() == expected | {"embed/embedding", "final_norm/scale", "head/kernel"}
    assert params["layers_0/attention/key/kernel"].shape == (16, 2 * 6)
    _, qwen2 = make(layers=1, tied=False, attention_bias=True, mlp_bias=False, model_type="qwen2")
    without = {f"layers_0/{n}/bias" for n in ("attention/out", "mlp/gate", "mlp/up", "mlp/down")}
    assert qwen2.keys() == params.keys() - without
    _, qwen3 = make(layers=1, model_type="qwen3")
    assert qwen3["layers_0/attention/query_norm/scale"].shape == (6,)
    assert qwen3["layers_0/attention/key_norm/scale"].shape == (6,)
    assert params["head/kernel"].shape == (16, 23)


@pytest.mark.parametrize("direction", [1, -1])
def test_inputs_see_only_earlier_ones_by_index_whatever_their_positions(tiny, direction):
    changed = TOKENS.copy()
    changed[:, 4] = (changed[:, 4] + 1) % 23
    positions = steps(TOKENS)[:, ::direction]
    (before, _), (after, _) = run(*tiny, TOKENS, positions), run(*tiny, changed, positions)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert (np.abs(before[:, 4:] - after[:, 4:]).max(-1) > 1e-3).all()


@pytest.mark.parametrize("start", cases([0, 2, 5], quick=(2,)))
def test_junk_in_padding_changes_nothing(tiny, start):
    valid = np.ones(TOKENS.shape, bool)
    valid[1:, start : start + 2] = False
    junk = np.where(valid, TOKENS, (TOKENS + 11) % 23)
    odd = np.where(valid, steps(TOKENS), 99)
    (before, _), (after, _) = run(*tiny, TOKENS, None, valid), run(*tiny, junk, odd, valid)
    np.testing.assert_array_equal(before[valid], after[valid])
    assert np.isfinite(after).all()


def test_padding_has_no_gradient_and_none_is_ever_infinite(tiny):
    model, params = tiny
    valid = np.arange(7)[None] < np.asarray([7, 3, 1, 0])[:, None]
    embedded = np.random.default_rng(0).normal(size=(4, 7, 16)).astype(np.float32)

    @partial(jax.jit, static_argnums=3)
    @partial(jax.grad, argnums=(0, 1))
    def grads(params, embedded, counted, model):
        logits, _ = forward(model, params, embedded, steps(TOKENS), valid)
        return jnp.where(counted[..., None], logits**2, 0.0).sum()

    real = jax.device_get(grads(params, embedded, valid, model))
    assert (real[1][~valid] == 0).all() and (real[1][valid] != 0).all()
    everything = jax.device_get(grads(params, embedded, np.ones_like(valid), model))
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((real, everything)))


def test_memories_equal_concatenation(tiny):
    """In logits and in gradients, with two memories, the second computed after the first."""
    model, params = tiny
    valid = np.asarray([[True, True, False, True, True]])
    soft = np.random.default_rng(0).normal(size=(1, 5, 16)).astype(np.float32)

    def together(params, soft):
        embedded = params["embed/embedding"][TOKENS]
        inputs = jnp.concatenate([jnp.tile(soft, (4, 1, 1)), embedded], axis=1)
        padding = np.concatenate([np.tile(valid, (4, 1)), np.ones(TOKENS.shape, bool)], axis=1)
        return forward(model, params, inputs, steps(inputs), padding)[0][:, 5:]

    def apart(params, soft):
        memories = ()
        for start, stop in ((0, 1), (1, 5)):
            part, real = soft[:, start:stop], valid[:, start:stop]
            memories += (forward(model, params, part, steps(part, start), real, memories)[1],)
        real = np.ones(TOKENS.shape, bool)
        return forward(model, params, TOKENS, steps(TOKENS, 5), real, memories)[0]

    def logits_and_grads(compute):
        def loss(params, soft):
            logits = compute(params, soft)
            return jax.nn.logsumexp(logits, axis=-1).mean(), logits

        grads, logits = jax.jit(jax.grad(loss, argnums=(0, 1), has_aux=True))(params, soft)
        return jax.device_get((logits, grads))

    expected, found = logits_and_grads(together), logits_and_grads(apart)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5, rtol=1e-5), found, expected)
    prompt_grad = found[1][1]
    assert (prompt_grad[:, 2] == 0).all() and np.abs(prompt_grad).max() > 1e-3


def test_a_memory_shared_by_groups_of_rows_equals_repeating_it(tiny):
    inputs = np.asarray([[3, 1, 4], [1, 5, 9]], np.int32)
    _, memory = run(*tiny, inputs, None, np.asarray([[True] * 3, [True, False, False]]))
    repeated = jax.tree.map(lambda x: np.repeat(x, 2, axis=0), memory)
    shared, _ = run(*tiny, TOKENS, steps(TOKENS, 3), None, (memory,))
    expected, _ = run(*tiny, TOKENS, steps(TOKENS, 3), None, (repeated,))
    np.testing.assert_allclose(shared, expected, atol=1e-5, rtol=0)
    alone, _ = run(*tiny, TOKENS, steps(TOKENS, 3))
    assert np.abs(shared - alone).max() > 1e-2


@pytest.mark.parametrize(("windowed", "far"), [((0, 1), 4), ((1,), 6)])
def test_a_window_counts_positions_back_from_the_query(make, windowed, far):
    """A change reaches window - 1 positions further in every layer that has the window."""
    model, params = make(model_type="qwen3", window=3, windowed=windowed)
    changed = TOKENS.copy()
    changed[:, 0] = (changed[:, 0] + 1) % 23
    (before, _), (after, _) = run(model, params, TOKENS), run(model, params, changed)
    reached = np.abs(before - after).max(-1) > 1e-4
    np.testing.assert_array_equal(reached, np.tile(np.arange(7) <= far, (4, 1)))
    np.testing.assert_array_equal(before[:, far + 1 :], after[:, far + 1 :])


def test_a_window_goes_by_positions_not_by_order(make):
    model, params = make(model_type="mistral", window=4, windowed=(0, 1))
    wide, _ = make(model_type="mistral")
    apart, _ = run(model, params, TOKENS, steps(TOKENS) * 4)
    alone, _ = run(model, params, TOKENS.reshape(-1, 1), steps(TOKENS).reshape(-1, 1) * 4)
    np.testing.assert_allclose(apart.reshape(-1, 23), alone.reshape(-1, 23), atol=1e-5, rtol=0)
    near = np.minimum(steps(TOKENS), 3)
    expected, _ = run(wide, params, TOKENS, near)
    np.testing.assert_allclose(run(model, params, TOKENS, near)[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("served", cases([1, 2, 4], quick=(2,)))
def test_memories_under_a_window_equal_concatenation(make, served):
    """Memory rows of different lengths, padded, each serving its share of the rows."""
    model, params = make(model_type="mistral", window=3, windowed=(0, 1))
    frames = np.random.default_rng(5).integers(0, 23, (served, 4)).astype(np.int32)
    real = np.arange(4)[None] < np.asarray([2, 4, 3, 1])[:served, None]
    _, memory = run(model, params, frames, None, real)
    starts = np.repeat(real.sum(1), 4 // served).astype(np.int32)[:, None]
    found, _ = run(model, params, TOKENS, starts + steps(TOKENS), None, (memory,))
    whole = np.concatenate([np.repeat(frames, 4 // served, axis=0), TOKENS], axis=1)
    valid = np.concatenate([np.repeat(real, 4 // served, axis=0), np.ones((4, 7), bool)], axis=1)
    positions = np.concatenate([steps(TOKENS[:, :4]), starts + steps(TOKENS)], axis=1)
    expected, _ = run(model, params, whole, positions, valid)
    np.testing.assert_allclose(found, expected[:, 4:], atol=1e-5, rtol=0)


def test_grouped_heads_equal_repeated_heads(make):
    model, params = make()
    full = Decoder(DecoderConfig(**{**vars(model.config), "kv_heads": 4}))
    wide = dict(params)
    for path, kernel in params.items():
        if path.endswith(("key/kernel", "value/kernel")):
            heads = np.asarray(kernel).reshape(16, 2, 6)
            wide[path] = np.repeat(heads, 2, axis=1).reshape(16, 24)
    expected, _ = run(full, wide, TOKENS)
    np.testing.assert_allclose(run(model, params, TOKENS)[0], expected, atol=1e-5, rtol=0)


def test_only_distances_between_positions_matter(tiny):
    expected, _ = run(*tiny, TOKENS)
    shifted, _ = run(*tiny, TOKENS, steps(TOKENS, 9))
    stretched, _ = run(*tiny, TOKENS, steps(TOKENS) * 2)
    np.testing.assert_allclose(shifted, expected, atol=2e-5, rtol=0)
    assert np.abs(stretched - expected).max() > 1e-2


def test_embeddings_may_be_handed_in_for_tokens(tiny):
    model, params = tiny
    variables = {"params": unflatten_dict(params, sep="/")}
    embedded = np.asarray(model.apply(variables, TOKENS, method="embed"))
    np.testing.assert_array_equal(embedded, np.asarray(params["embed/embedding"])[TOKENS])
    np.testing.assert_allclose(run(*tiny, embedded)[0], run(*tiny, TOKENS)[0], atol=1e-6, rtol=0)


def test_no_positions_after_a_memory_are_no_error(tiny):
    _, memory = run(*tiny, TOKENS)
    logits, own = run(*tiny, TOKENS[:, :0], None, None, (memory,))
    assert logits.shape == (4, 0, 23) and own.keys[0].shape == (4, 0, 2, 6)


@pytest.mark.parametrize("tied", [True, False])
def test_bfloat16_parameters_compute_in_bfloat16_with_float32_logits(make, tied):
    model, params = make(tied=tied, layers=1)
    half = {path: np.asarray(leaf).astype(jnp.bfloat16) for path, leaf in params.items()}
    exact = {path: leaf.astype(np.float32) for path, leaf in half.items()}
    logits, memory = run(model, half, TOKENS)
    assert logits.dtype == np.float32 and memory.keys[0].dtype == jnp.bfloat16
    np.testing.assert_allclose(logits, run(model, exact, TOKENS)[0], atol=0.1, rtol=0.05)
    embedded = exact["embed/embedding"][TOKENS]
    np.testing.assert_array_equal(run(model, half, embedded)[0], logits)


def test_bfloat16_gradients_follow_the_parameters(make):
    model, params = make(tied=False, layers=1)
    half = {path: np.asarray(leaf).astype(jnp.bfloat16) for path, leaf in params.items()}

    def loss(params):
        logits, _ = forward(model, params, TOKENS, steps(TOKENS), np.ones(TOKENS.shape, bool))
        return (logits**2).mean()

    grads = jax.device_get(jax.jit(jax.grad(loss))(half))
    assert all(g.dtype == jnp.bfloat16 and g.any() for g in grads.values())
    assert all(np.isfinite(g.astype(np.float32)).all() for g in grads.values())


def test_vmap_over_stacked_parameters_equals_each_alone(make):
    model, params = make(layers=1)
    members = [params, {path: np.asarray(leaf) * 0.9 for path, leaf in params.items()}]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *members)
    inputs = (TOKENS, steps(TOKENS), np.ones(TOKENS.shape, bool))
    together = jax.jit(jax.vmap(lambda p: forward(model, p, *inputs)[0]))(stacked)
    for index, member in enumerate(members):
        alone, _ = run(model, member, TOKENS)
        np.testing.assert_allclose(np.asarray(together)[index], alone, atol=1e-5, rtol=0)


def test_a_layer_can_be_wrapped_by_its_path(make):
    model, params = make(tied=False)
    seen = []

    def intercept(call, args, kwargs, context):
        seen.append("/".join(context.module.path))
        out = call(*args, **kwargs)
        return out + 1.0 if "/".join(context.module.path) == "layers_1/mlp/down" else out

    def wrapped(*inputs):
        with nn.intercept_methods(intercept):
            return forward(model, *inputs)[0]

    changed = jax.jit(wrapped)(params, TOKENS, steps(TOKENS), np.ones(TOKENS.shape, bool))
    assert {p.removesuffix("/kernel") for p in params if p.endswith("/kernel")} <= set(seen)
    expected, _ = run(model, params, TOKENS)
    assert np.abs(np.asarray(changed) - expected).max() > 1e-2


def test_fresh_parameters_give_nearly_uniform_predictions(make):
    model, _ = make(tied=False, layers=1)
    params = jax.jit(partial(random_params, model))(jax.random.key(0))
    assert params["layers_0/attention_norm/scale"].dtype == jnp.float32
    logits, _ = run(model, params, TOKENS)
    assert 0 < logits.std() < 0.2
