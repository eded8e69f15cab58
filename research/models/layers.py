"""Layers of decoders: rotary positions, attention over memories, the gated MLP and the block."""

from collections.abc import Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

Rotation = tuple[Array, Array]  # cosine and sine, each [B, T, 1, K / 2] in float32

INITIAL = nn.initializers.normal(0.02)  # as in `LlamaConfig`
linear = partial(nn.Dense, kernel_init=INITIAL)


class Memory(NamedTuple):
    """What positions already computed offer to later ones.

    A memory with b rows serves B rows: row i reads memory row i // (B // b).
    """

    keys: tuple[Array, ...]  # one [b, S, G, K] per layer, rotated already
    values: tuple[Array, ...]  # one [b, S, G, K] per layer
    valid: Array  # [b, S] bool


class Source(NamedTuple):
    """Keys and values that one layer's queries attend to."""

    keys: Array  # [b, S, G, K]
    values: Array  # [b, S, G, K]
    visible: Array  # bool, [b, T, S], or [b, 1, S] where all queries see the same


def rotation_at(positions: Array, head_width: int, theta: float) -> Rotation:
    """Angles `position / theta^(2i / K)` of positions [B, T], for the K / 2 pairs of a head.

    Su et al. 2021 (arXiv 2104.09864), equation 15.
    """
    exponents = jnp.arange(0, head_width, 2, dtype=jnp.float32) / head_width
    frequencies = (1.0 / theta**exponents)[None, None, None]
    angles = positions.astype(jnp.float32)[..., None, None] * frequencies
    return jnp.cos(angles), jnp.sin(angles)


def rotate(heads: Array, rotation: Rotation) -> Array:
    """Rotates pair (i, i + K / 2) of every head of [B, T, H, K]: the half-split order of HF."""
    cosine, sine = rotation
    first, second = jnp.split(heads.astype(jnp.float32), 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    return jnp.concatenate(turned, axis=-1).astype(heads.dtype)


def attend(query: Array, sources: Sequence[Source]) -> Array:
    """[B, T, H, K]: `query` [B, T, H, K] attends to all sources, with one softmax in float32.

    Grouped heads as in Ainslie et al. 2023 (arXiv 2305.13245): H / G queries share a key head.
    A query that sees nothing gets the mean of the values: arbitrary, but finite. Raises
    ValueError for a source whose rows do not divide B.
    """
    scores = jnp.concatenate([_scores(query, source) for source in sources], axis=-1)
    weights = jax.nn.softmax(scores, axis=-1).astype(query.dtype)
    ends = list(accumulate(source.keys.shape[1] for source in sources))
    parts = jnp.split(weights, ends[:-1], axis=-1)
    attended = [_weighted(part, source.values) for part, source in zip(parts, sources, strict=True)]
    return sum(attended[1:], attended[0]).reshape(query.shape)


def _scores(query: Array, source: Source) -> Array:
    """[B, G, H / G, T, S] in float32; the queries are grouped by memory row, nothing repeated."""
    (rows, length, heads, width), (served, size, groups, _) = query.shape, source.keys.shape
    if rows % served:
        raise ValueError(f"a memory of {served} rows cannot serve {rows} rows")
    grouped = query.reshape(served, rows // served, length, groups, heads // groups, width)
    scores = jnp.einsum(
        "bntgqk,bsgk->bngqts", grouped, source.keys, preferred_element_type=jnp.float32
    )
    visible = source.visible[:, None, None, None]
    scores = jnp.where(visible, scores * width**-0.5, jnp.finfo(jnp.float32).min)
    return scores.reshape(rows, groups, heads // groups, length, size)


def _weighted(weights: Array, values: Array) -> Array:
    """[B, T, G, H / G, K]: the sum of `values` [b, S, G, K] under [B, G, H / G, T, S]."""
    rows, groups, queries, length, size = weights.shape
    served, width = values.shape[0], values.shape[-1]
    grouped = weights.reshape(served, rows // served, groups, queries, length, size)
    summed = jnp.einsum("bngqts,bsgk->bntgqk", grouped, values)
    return summed.reshape(rows, length, groups, queries, width)


class Attention(nn.Module):
    """Causal grouped-query attention with rotary positions, over memories and its own inputs."""

    heads: int
    kv_heads: int
    head_width: int
    bias: bool

    @nn.compact
    def __call__(
        self, hidden: Array, rotation: Rotation, visible: Array, memories: Sequence[Source]
    ) -> tuple[Array, Array, Array]:
        """(output [B, T, D], keys [B, T, G, K], values [B, T, G, K]); visible: [B, T, T]."""
        rows, length, width = hidden.shape

        def heads(name: str, count: int) -> Array:
            layer = linear(count * self.head_width, use_bias=self.bias, name=name)
            return layer(hidden).reshape(rows, length, count, self.head_width)

        query = rotate(heads("query", self.heads), rotation)
        keys = rotate(heads("key", self.kv_heads), rotation)
        values = heads("value", self.kv_heads)
        attended = attend(query, [*memories, Source(keys, values, visible)])
        flat = attended.reshape(rows, length, self.heads * self.head_width)
        return linear(width, use_bias=self.bias, name="out")(flat), keys, values


class GatedMLP(nn.Module):
    """`down(silu(gate(x)) * up(x))`: SwiGLU, Shazeer 2020 (arXiv 2002.05202), equation 6."""

    hidden: int
    bias: bool

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        gate = linear(self.hidden, use_bias=self.bias, name="gate")(inputs)
        up = linear(self.hidden, use_bias=self.bias, name="up")(inputs)
        return linear(inputs.shape[-1], use_bias=self.bias, name="down")(nn.silu(gate) * up)
