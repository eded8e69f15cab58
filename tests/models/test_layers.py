"""Rotary positions and attention against plain numpy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.models.layers.rope import rotate, rotation_at
from research.models.layers.softmax_attention import Source, attend


def test_rotation_is_a_complex_product():
    rows, length, heads, width, theta = 2, 3, 2, 6, 500.0
    frequencies = jnp.asarray(theta ** (-np.arange(3) / 3), jnp.float32)
    x = np.random.default_rng(0).normal(size=(rows, length, heads, width))
    positions = np.array([[0, 1, 7], [3, 3, 31]])
    turned = rotate(jnp.asarray(x, jnp.float32), rotation_at(jnp.asarray(positions), frequencies))
    pairs = x[..., :3] + 1j * x[..., 3:]
    pairs *= np.exp(1j * positions[..., None, None] * theta ** (-np.arange(3) / 3))
    np.testing.assert_allclose(
        turned, np.concatenate([pairs.real, pairs.imag], -1), atol=2e-6, rtol=0
    )


SCALE = 0.3


def of_row(x, row, rows):
    """What a query of `row` meets in an array with a row for one or several of `rows`."""
    return x[row // (rows // len(x))]


def naive(query, sources):
    """One query at a time, memories repeated for every row."""
    rows, length, heads, width = query.shape
    out = np.zeros_like(query)
    for row, position, head in np.ndindex(rows, length, heads):
        scores, values = [], []
        for source in sources:
            group = head // (heads // source.keys.shape[2])
            visible = of_row(source.visible, row, rows)
            visible = visible[position % len(visible)]
            keys = of_row(source.keys, row, rows)[visible, group]
            bias = 0.0
            if source.bias is not None:
                bias = of_row(source.bias, row, rows)[head, position][visible]
            scores.append(keys @ query[row, position, head] * SCALE + bias)
            values.append(of_row(source.values, row, rows)[visible, group])
        weights = np.exp(np.concatenate(scores))
        out[row, position, head] = weights @ np.concatenate(values) / weights.sum()
    return out


def source(draw, served, size, queries, seen_by=None, bias_rows=None):
    """A memory of `served` rows; what is visible has `seen_by` rows, the bias `bias_rows`."""
    visible = draw.random((seen_by or served, queries, size)) < 0.7
    visible[..., 0] = True
    keys, values = draw.normal(size=(2, served, size, 2, 8))
    bias = None if bias_rows is None else draw.normal(size=(bias_rows, 4, 3, size))
    return Source(keys, values, visible, bias)


def test_attention_over_memories_of_every_sharing_is_the_naive_one():
    draw = np.random.default_rng(1)
    query = draw.normal(size=(6, 3, 4, 8))
    sources = [
        source(draw, 1, 5, 1),
        source(draw, 2, 4, 1),
        source(draw, 3, 2, 3, bias_rows=1),
        source(draw, 6, 3, 3, bias_rows=6),
        source(draw, 2, 3, 3, seen_by=6, bias_rows=2),
        source(draw, 3, 2, 3, seen_by=6, bias_rows=6),
    ]
    single = jax.tree.map(
        lambda x: jnp.asarray(x, jnp.float32 if x.dtype != bool else bool), sources
    )
    attended = jax.jit(attend)(jnp.asarray(query, jnp.float32), single, SCALE)
    np.testing.assert_allclose(attended, naive(query, sources), atol=2e-6, rtol=0)


def plain(query, sources, drop):
    """The formula as it is written, with everything repeated and joined."""
    rows, length, heads, _ = query.shape

    def spread(x, axis=0, size=rows):
        return jnp.repeat(x, size // x.shape[axis], axis=axis)

    keys, values = (
        jnp.concatenate([spread(spread(x), 2, heads) for x in one], axis=1)
        for one in ([s.keys for s in sources], [s.values for s in sources])
    )
    visible = jnp.concatenate([spread(spread(s.visible), 1, length) for s in sources], axis=-1)
    biases = [jnp.zeros((1, 4, 3, s.keys.shape[1])) if s.bias is None else s.bias for s in sources]
    scores = jnp.einsum("bthk,bshk->bhts", query, keys, precision="highest") * SCALE
    scores += jnp.concatenate([spread(bias) for bias in biases], axis=-1)
    weights = jax.nn.softmax(jnp.where(visible[:, None], scores, -jnp.inf))
    return jnp.einsum("bhts,bshk->bthk", drop(weights), values, precision="highest")


def halved(weights):
    """In place of dropout: zeros where the place of a weight says so."""
    places = jnp.arange(weights[0].size).reshape(weights.shape[1:])[None]
    return jnp.where(places % 3 == 0, 0.0, weights / 2)


@pytest.mark.parametrize("drop, call", [(None, lambda f: f), (halved, jax.checkpoint)])
def test_gradients_of_attention_are_those_of_the_plain_formula(drop, call):
    draw = np.random.default_rng(2)
    several = [
        source(draw, 1, 5, 1),
        source(draw, 3, 4, 3, bias_rows=1),
        source(draw, 6, 3, 3, bias_rows=6),
        source(draw, 3, 2, 3, seen_by=6, bias_rows=3),
    ]
    seen = [jnp.asarray(s.visible) for s in several]
    query, towards = jnp.asarray(draw.normal(size=(2, 6, 3, 4, 8)), jnp.float32)
    floats = jax.tree.map(
        lambda x: jnp.asarray(x, jnp.float32), [(s.keys, s.values, s.bias) for s in several]
    )

    def along(attention):
        def value(query, floats):
            parts = zip(floats, seen, strict=True)
            sources = [
                Source(keys, values, visible, bias) for (keys, values, bias), visible in parts
            ]
            return (attention(query, sources) * towards).sum()

        return jax.grad(value, argnums=(0, 1))

    ours = along(call(lambda query, sources: attend(query, sources, SCALE, drop)))
    expected = jax.jit(along(lambda query, sources: plain(query, sources, drop or (lambda x: x))))
    together = jax.jit(jax.vmap(ours, in_axes=(0, None)))(jnp.stack([query, -query]), floats)
    for place, one in enumerate((query, -query)):
        found = jax.tree.map(lambda x, place=place: x[place], together)
        jax.tree.map(
            lambda x, y: np.testing.assert_allclose(x, y, atol=3e-6, rtol=0),
            found,
            expected(one, floats),
        )


def test_a_memory_must_serve_whole_groups_of_rows():
    source = Source(jnp.ones((4, 1, 1, 2)), jnp.ones((4, 1, 1, 2)), jnp.ones((4, 1, 1), bool))
    with pytest.raises(ValueError, match="4 rows cannot serve 6"):
        attend(jnp.ones((6, 1, 1, 2)), [source], 1.0)


def test_large_scores_and_a_query_that_sees_nothing_stay_finite():
    keys = jnp.full((1, 2, 1, 2), 1e18)

    @jax.jit
    @jax.value_and_grad
    def summed(query, visible):
        return attend(query, [Source(keys, keys, visible)], 1.0).sum()

    for visible in (jnp.zeros((1, 1, 2), bool), jnp.ones((1, 1, 2), bool)):
        value, grad = summed(jnp.full((1, 1, 1, 2), 1e18), visible)
        assert jnp.isfinite(value) and jnp.isfinite(grad).all()
