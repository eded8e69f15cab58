"""How the fused kernel is asked, against the plain formula; and itself, where a GPU is."""

import re
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.methods.adapted import Adapted
from research.models.layers.flash_attention import flash, suits
from research.models.layers.softmax_attention import Source, attend
from tests import tiny

SCALE = 0.3
plainly = partial(flash, scale=SCALE, implementation="xla")


def drawn(seed, shared=1, biased=False):
    """(query [4, 6, 4, 8], sources of two groups): a prefix that all rows share, a memory of two
    rows, and the rows' own causal part; nine positions, so one is made up.
    """
    draw = np.random.default_rng(seed)

    def source(served, size, queries, seen_by):
        keys, values = draw.normal(size=(2, served, size, 2, 8)).astype(np.float32)
        visible = draw.random((seen_by, queries, size)) < 0.7
        visible[..., 0] = True
        bias = draw.normal(size=(seen_by, 4, 6, size)).astype(np.float32) if biased else None
        return Source(keys, values, visible, bias)

    sources = [source(shared, 2, 1, shared), source(2, 1, 1, 2), source(4, 6, 6, 4)]
    return draw.normal(size=(4, 6, 4, 8)).astype(np.float32), sources


def pulled(attention, query, sources):
    """What it gives, and its gradients for all floats."""
    floats = [(s.keys, s.values, s.bias) for s in sources]

    def summed(query, floats):
        parts = zip(floats, sources, strict=True)
        whole = [Source(k, v, s.visible, b) for (k, v, b), s in parts]
        found = attention(query, whole)
        return (found * jnp.cos(jnp.arange(found.size).reshape(found.shape))).sum(), found

    return jax.grad(summed, argnums=(0, 1), has_aux=True)(query, floats)


@pytest.mark.parametrize("biased", [False, True])
def test_it_is_the_plain_formula_and_so_are_its_gradients(biased):
    """Of one batch, and of three that a vmap goes over while they share the prefix's mask."""
    several = [drawn(seed, biased=biased) for seed in range(3)]
    visible = [source.visible for source in several[0][1]]
    several = [
        (q, [s._replace(visible=v) for s, v in zip(sources, visible, strict=True)])
        for q, sources in several
    ]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
    axes = (0, [source._replace(visible=None) for source in jax.tree.map(lambda _: 0, stacked[1])])
    shared = (stacked[0], [s._replace(visible=v) for s, v in zip(stacked[1], visible, strict=True)])
    found = jax.jit(jax.vmap(partial(pulled, plainly), in_axes=axes))(*shared)
    plain = partial(pulled, partial(attend, scale=SCALE))
    for place, one in enumerate(several):
        expected = jax.jit(plain)(*one)
        alone = jax.jit(partial(pulled, plainly))(*one)
        here = jax.tree.map(lambda x, place=place: x[place], found)
        for other in (alone, here):
            jax.tree.map(partial(np.testing.assert_allclose, atol=3e-6, rtol=0), other, expected)


CUDNN = "jax._src.cudnn.fused_attention_stablehlo"


def test_a_program_for_a_gpu_calls_the_kernel(monkeypatch):
    """As JAX lowers it, of a cohort too, whose mask heads share; nothing is compiled or run."""
    monkeypatch.setattr(f"{CUDNN}.check_cudnn_version", lambda: 91100)
    monkeypatch.setattr(f"{CUDNN}.check_compute_capability", lambda least: True)
    monkeypatch.setattr(f"{CUDNN}.is_cuda_compute_capability_equal", lambda other: False)
    query, sources = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct((3, *x.shape), "bfloat16" if x.dtype != bool else bool),
        drawn(0),
    )

    def gradients(query, sources):
        return pulled(partial(flash, scale=SCALE), query, sources)[0]

    traced = jax.jit(jax.vmap(gradients)).trace(query, sources)
    called = re.findall(r"__cudnn\$\w+", traced.lower(lowering_platforms=("cuda",)).as_text())
    kernel = "__cudnn$fmhaScaleBiasSoftmax"
    assert sorted(called) == [kernel, f"{kernel}Backward"]


ON_GPU = pytest.mark.skipif(jax.default_backend() != "gpu", reason="the kernel runs on a GPU alone")


@ON_GPU
@pytest.mark.parametrize("biased", [False, True])
def test_the_kernel_gives_the_plain_formula_and_so_do_its_gradients(biased):
    """In bfloat16, whose numbers have 8 bits: within 2 % of the largest of the float32 ones."""
    query, sources = drawn(0, biased=biased)
    half = jax.tree.map(
        lambda x: x if x.dtype == bool else jnp.asarray(x, jnp.bfloat16), (query, sources)
    )
    whole = jax.tree.map(lambda x: x if x.dtype == bool else jnp.asarray(x, jnp.float32), half)
    assert suits(*half, drops=False)
    found = jax.jit(partial(pulled, partial(flash, scale=SCALE)))(*half)
    with jax.default_matmul_precision("highest"):
        expected = jax.jit(partial(pulled, partial(attend, scale=SCALE)))(*whole)
    for one, other in zip(*map(jax.tree.leaves, (found, expected)), strict=True):
        one, other = np.asarray(one, np.float32), np.asarray(other)
        assert np.abs(one - other).max() < 0.02 * np.abs(other).max()


H100 = SimpleNamespace(platform="gpu", compute_capability="9.0")
FITS = dict(length=6, width=64, dtype="bfloat16", drops=False, device=H100)


@pytest.mark.parametrize(
    "changed, taken",
    [
        ({}, True),
        ({"dtype": "float16"}, True),
        ({"dtype": "float32"}, False),
        ({"width": 128}, True),
        ({"width": 136}, False),
        ({"width": 60}, False),
        ({"length": 1}, False),
        ({"length": 0}, False),
        ({"flags": "--xla_gpu_deterministic_ops=true"}, False),
        ({"flags": "--xla_gpu_deterministic_ops --xla_gpu_autotune_level=0"}, False),
        ({"flags": "--xla_gpu_deterministic_ops=true --xla_gpu_deterministic_ops=false"}, True),
        ({"drops": True}, False),
        ({"on_scores": jnp.tanh}, False),
        ({"device": SimpleNamespace(platform="gpu", compute_capability="7.5")}, False),
        ({"device": SimpleNamespace(platform="gpu", compute_capability="10.0")}, True),
        ({"device": SimpleNamespace(platform="gpu", compute_capability="gfx90a")}, False),
        ({"device": SimpleNamespace(platform="cpu")}, False),
        ({"device": None}, False),  # the one that the tests run on
    ],
    ids=lambda value: str(value) if isinstance(value, bool) else " ".join(value) or "plain",
)
def test_it_is_taken_where_the_kernel_runs(changed, taken, monkeypatch):
    one = {**FITS, **changed}
    monkeypatch.setenv("XLA_FLAGS", one.get("flags", ""))
    query = jax.ShapeDtypeStruct((2, one["length"], 4, one["width"]), one["dtype"])
    keys = jax.ShapeDtypeStruct((2, 5, 2, one["width"]), one["dtype"])
    source = Source(keys, keys, jax.ShapeDtypeStruct((2, 1, 5), bool))
    on_scores = one.get("on_scores")
    assert suits(query, [source], one["drops"], on_scores, one["device"]) == taken


def _fits_unless_dropped(query, sources, drops, on_scores):
    return not drops and on_scores is None


@pytest.mark.parametrize("cap, calls", [(None, 2), (2.0, 0)])
def test_a_capped_model_takes_the_plain_path(cap, calls, monkeypatch):
    model, params = tiny.decoder(score_cap=cap)
    variables = {"params": unflatten_dict(params, sep="/")}
    tokens = np.arange(12, dtype=np.int32).reshape(2, 6)
    inputs = (tokens, np.tile(np.arange(6, dtype=np.int32), (2, 1)), np.ones((2, 6), bool))
    expected, _ = model.apply(variables, *inputs)
    asked = []
    monkeypatch.setattr("research.models.layers.attention.suits", _fits_unless_dropped)
    monkeypatch.setattr(
        "research.models.layers.attention.flash",
        lambda *args: asked.append(args) or flash(*args, implementation="xla"),
    )
    found, _ = model.apply(variables, *inputs)
    assert len(asked) == calls
    np.testing.assert_allclose(found, expected, atol=2e-5, rtol=0)


@pytest.mark.thorough
def test_a_model_with_a_prefix_takes_it_unless_weights_are_dropped(monkeypatch):
    """As it would on a GPU; the prefix is one more source."""
    model, params = tiny.decoder()
    method = tiny.METHODS["prefix"]
    leaves, rows = tiny.with_method(method, params), tiny.batch(4, width=12)

    def hidden(dropout=0.0, keys=None):
        adapted = Adapted(model, (method,), leaves, dropout=dropout)
        memories, offset = adapted.prefix(tiny.FRAME.prefix_ids, tiny.FRAME.prefix_length)
        slots = jnp.broadcast_to(jnp.arange(12), rows.tokens.shape)
        valid = slots < rows.length[:, None]
        found, _ = adapted.rows(rows.tokens, valid, offset + slots, memories, keys=keys)
        return np.where(valid[..., None], found, 0.0)

    asked = []
    expected = hidden()
    monkeypatch.setattr("research.models.layers.attention.suits", _fits_unless_dropped)
    monkeypatch.setattr(
        "research.models.layers.attention.flash",
        lambda *args: asked.append(args) or flash(*args, implementation="xla"),
    )
    np.testing.assert_allclose(hidden(), expected, atol=2e-5, rtol=0)
    assert len(asked) == 4  # two layers of the prefix, two of the rows
    dropped = hidden(0.5, jax.random.split(jax.random.key(0), 4))
    assert np.abs(dropped - expected).max() > 0.1 and len(asked) == 6  # a prefix has no keys here
