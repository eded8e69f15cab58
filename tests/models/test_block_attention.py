"""Attention in blocks of queries, against attention at once; memory of a long prefix."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.batch import bucket, prompt_frame
from research.methods.adapted import Adapted
from research.models.layers import block_attention
from research.models.layers.block_attention import attend_in_blocks, needs_blocks
from research.models.layers.softmax_attention import Source, attend, soft_cap
from research.runtime.executable import compiled_cost
from tests.thorough import cases
from tests.tiny import decoder

SCALE = 0.3


def drawn(length: int) -> tuple[jax.Array, list[Source]]:
    """A query [4, T, 4, 8]; a prefix for all rows, a memory of two rows, the rows' own keys."""
    draw = np.random.default_rng(length)

    def normal(*shape: int) -> jax.Array:
        return jnp.asarray(draw.normal(size=shape), jnp.float32)

    def source(served: int, size: int, queries: int, biased: bool = False) -> Source:
        visible = draw.random((served, queries, size)) < 0.7
        visible[..., 0] = True
        bias = normal(served, 4, length, size) if biased else None
        keys, values = normal(served, size, 2, 8), normal(served, size, 2, 8)
        return Source(keys, values, jnp.asarray(visible), bias)

    query = normal(4, length, 4, 8)
    return query, [source(1, 5, 1), source(2, 3, length, True), source(4, length, length)]


@pytest.mark.parametrize("cap", [None, 2.0])
@pytest.mark.parametrize("length", cases([8, 9, 11], quick=(11,)))
def test_blocks_give_the_same_output_and_gradients(length, cap, monkeypatch):
    query, sources = drawn(length)
    on_scores = None if cap is None else partial(soft_cap, cap=cap)
    monkeypatch.setattr(block_attention, "BLOCK", 4 * 4 * 4 * (8 + length) * 4)  # four queries

    def summed(attention, query, floats):
        parts = [s._replace(keys=k, values=v) for s, (k, v) in zip(sources, floats, strict=True)]
        output = attention(query, parts, SCALE, on_scores=on_scores)
        return (output * jnp.cos(jnp.arange(output.size).reshape(output.shape))).sum(), output

    floats = [(source.keys, source.values) for source in sources]
    results = [
        jax.grad(partial(summed, attention), argnums=(0, 1), has_aux=True)(query, floats)
        for attention in (attend_in_blocks, attend)
    ]
    jax.tree.map(partial(np.testing.assert_allclose, rtol=0, atol=1e-5), *results)


def test_only_large_scores_are_computed_in_blocks(monkeypatch):
    query, sources = drawn(8)
    size = 4 * 4 * 4 * 8 * (8 + 8)
    monkeypatch.setattr(block_attention, "MOST_SCORE_BYTES", size)
    assert not needs_blocks(query, sources)
    monkeypatch.setattr(block_attention, "MOST_SCORE_BYTES", size - 1)
    assert needs_blocks(query, sources)
    assert not needs_blocks(query[:, :1], sources)  # one query has no blocks


def test_a_long_prefix_needs_no_scores_of_all_positions():
    """Its scores would take 64 GiB; only its masks grow with the square of its length."""
    tokens = 60_000
    size = bucket(tokens)
    model, params = decoder(context=size)

    def memory(opening: jax.Array):
        return Adapted(model, (), params).prefix(opening, jnp.asarray(tokens))

    frame = prompt_frame([3] * tokens)
    cost = compiled_cost(jax.jit(memory).lower(frame.prefix_ids).compile())
    assert (cost["temporary_bytes"] or 1 << 50) < 2 * size**2 + (1 << 30)
