"""Rotary positions and attention against plain numpy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models.layers import Source, attend, rotate, rotation_at


def test_rotation_is_a_complex_product():
    rows, length, heads, width, theta = 2, 3, 2, 6, 500.0
    x = np.random.default_rng(0).normal(size=(rows, length, heads, width))
    positions = np.array([[0, 1, 7], [3, 3, 31]])
    turned = rotate(jnp.asarray(x, jnp.float32), rotation_at(jnp.asarray(positions), width, theta))
    pairs = x[..., :3] + 1j * x[..., 3:]
    pairs *= np.exp(1j * positions[..., None, None] * theta ** (-np.arange(3) / 3))
    np.testing.assert_allclose(
        turned, np.concatenate([pairs.real, pairs.imag], -1), atol=2e-6, rtol=0
    )


def naive(query, sources):
    """One query at a time, memories repeated for every row."""
    rows, length, heads, width = query.shape
    out = np.zeros_like(query)
    for row, position, head in np.ndindex(rows, length, heads):
        scores, values = [], []
        for source in sources:
            served = row // (rows // source.keys.shape[0])
            group = head // (heads // source.keys.shape[2])
            visible = source.visible[served, position % source.visible.shape[1]]
            scores.append(source.keys[served][visible, group] @ query[row, position, head])
            values.append(source.values[served][visible, group])
        weights = np.exp(np.concatenate(scores) / np.sqrt(width))
        out[row, position, head] = weights @ np.concatenate(values) / weights.sum()
    return out


def sources_for(draw, *shapes):
    for served, size, queries in shapes:
        visible = draw.random((served, queries, size)) < 0.7
        visible[..., 0] = True
        yield Source(
            draw.normal(size=(served, size, 2, 8)), draw.normal(size=(served, size, 2, 8)), visible
        )


def test_attention_over_memories_of_every_sharing_is_the_naive_one():
    draw = np.random.default_rng(1)
    query = draw.normal(size=(6, 3, 4, 8))
    sources = list(sources_for(draw, (1, 5, 1), (2, 4, 1), (3, 2, 3), (6, 3, 3)))
    single = jax.tree.map(
        lambda x: jnp.asarray(x, jnp.float32 if x.dtype != bool else bool), sources
    )
    attended = jax.jit(attend)(jnp.asarray(query, jnp.float32), single)
    np.testing.assert_allclose(attended, naive(query, sources), atol=2e-6, rtol=0)


def test_a_memory_must_serve_whole_groups_of_rows():
    source = Source(jnp.ones((4, 1, 1, 2)), jnp.ones((4, 1, 1, 2)), jnp.ones((4, 1, 1), bool))
    with pytest.raises(ValueError, match="4 rows cannot serve 6"):
        attend(jnp.ones((6, 1, 1, 2)), [source])


def test_large_scores_and_a_query_that_sees_nothing_stay_finite():
    keys = jnp.full((1, 2, 1, 2), 1e18)

    @jax.jit
    @jax.value_and_grad
    def summed(query, visible):
        return attend(query, [Source(keys, keys, visible)]).sum()

    for visible in (jnp.zeros((1, 1, 2), bool), jnp.ones((1, 1, 2), bool)):
        value, grad = summed(jnp.full((1, 1, 1, 2), 1e18), visible)
        assert jnp.isfinite(value) and jnp.isfinite(grad).all()
