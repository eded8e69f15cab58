"""Layers that families share: rotary positions and attention over memories."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from research.models.layers.dropout import Dropout
from research.models.layers.flash_attention import flash, suits
from research.models.layers.norm import rms_norm
from research.models.layers.softmax_attention import Source, attend, soft_cap

Rotation = tuple[Array, Array]  # cosine and sine, each [B, T, 1, K / 2] in float32

INITIAL = nn.initializers.normal(0.02)  # as in `LlamaConfig`


def flat_product(inputs: Array, kernel: Array, *dimensions: Any, **options: Any) -> Array:
    """[..., F] of inputs [..., D] and a kernel [D, F], as a product of two matrices.

    So is the kernel's gradient then, whose operands XLA would otherwise compute a second time,
    transposed: a third of a step that trains everything.
    """
    del dimensions  # of `nn.Dense`: the last of the inputs, the first of the kernel
    flat = inputs.reshape(-1, inputs.shape[-1])
    product = jax.lax.dot_general(flat, kernel, (((1,), (0,)), ((), ())), **options)
    return product.reshape(*inputs.shape[:-1], kernel.shape[-1])


linear = partial(nn.Dense, kernel_init=INITIAL, dot_general=flat_product)


def token_table(config: Any) -> nn.Embed:
    """The embeddings of `config.vocab_size` tokens, the leaf `embed/embedding`."""
    return nn.Embed(config.vocab_size, config.width, embedding_init=INITIAL, name="embed")


def output_head(config: Any) -> nn.Dense:
    """A layer that gives the logits of all tokens in float32, where the table does not."""
    float32_out = partial(jax.lax.dot_general, preferred_element_type=jnp.float32)
    return linear(config.vocab_size, use_bias=False, dot_general=float32_out)


def by_table(hidden: Array, table: Array) -> Array:
    """[..., V] in float32: products of hidden states [..., D] with the rows of a table [V, D]."""
    return jnp.einsum("...d,vd->...v", hidden, table, preferred_element_type=jnp.float32)


class KeyValueMemory(NamedTuple):
    """What positions already computed offer to later ones.

    A memory with b rows serves B rows: row i reads memory row i // (B // b).
    """

    keys: tuple[Array, ...]  # one [b, S, G, K] per layer, rotated already
    values: tuple[Array, ...]  # one [b, S, G, K] per layer
    valid: Array  # [b, S] bool
    positions: Array  # [b, S] int32


def take_positions(x: Array, at: Array | None) -> Array:
    """Of `x` [B, T, ...] the slots `at` [B, L]: [B, L, ...]. All of it for None."""
    if at is None:
        return x
    return jnp.take_along_axis(x, at.reshape(*at.shape, *(1,) * (x.ndim - 2)), axis=1)


def rotation_at(positions: Array, frequencies: Array) -> Rotation:
    """Angles `position * frequency` of positions [B, T], for the K / 2 pairs of a head.

    Su et al. 2021 (arXiv 2104.09864), equation 15.
    """
    angles = positions.astype(jnp.float32)[..., None, None] * frequencies[None, None, None]
    cosine, sine = jnp.cos(angles), jnp.sin(angles)
    # By a divisor that is 1 but for rounding: XLA computes a cosine again wherever it is read, for
    # every head of every layer, which was 10 % of a step, and a quotient once.
    one = cosine**2 + sine**2
    return cosine / one, sine / one


def rotate(heads: Array, rotation: Rotation) -> Array:
    """Rotates pair (i, i + R / 2) of the first R numbers of every head of [B, T, H, K].

    That is the half-split order of HF. R is twice the number of angles in `rotation`.
    """
    cosine, sine = rotation
    width = 2 * cosine.shape[-1]
    first, second = jnp.split(heads[..., :width].astype(jnp.float32), 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    rotated = jnp.concatenate(turned, axis=-1).astype(heads.dtype)
    if width == heads.shape[-1]:
        return rotated
    return jnp.concatenate([rotated, heads[..., width:]], axis=-1)


class Attention(nn.Module):
    """Grouped-query attention over memories and its own inputs.

    Attributes:
        bias: whether query, key and value have one.
        out_bias: whether the output has one.
        fused: whether one layer `qkv` computes query, key and value.
        head_norm: epsilon of an RMS norm over each query and key head; None for no norm.
        norm_offset: added to the scales of these norms.
        scale: of the scores; None for K^-1/2.
        score_cap: limit of the scaled scores, by `soft_cap`; None for no limit.
    """

    width: int
    heads: int
    kv_heads: int
    head_width: int
    bias: bool = False
    out_bias: bool = False
    fused: bool = False
    head_norm: float | None = None
    norm_offset: float = 0.0
    scale: float | None = None
    score_cap: float | None = None

    def setup(self):
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        if self.fused:
            self.qkv = linear(queries + 2 * keys, use_bias=self.bias)
        else:
            self.query = linear(queries, use_bias=self.bias)
            self.key = linear(keys, use_bias=self.bias)
            self.value = linear(keys, use_bias=self.bias)
        if self.head_norm is not None:
            self.query_norm = rms_norm(self.head_norm, self.norm_offset)
            self.key_norm = rms_norm(self.head_norm, self.norm_offset)
        self.out = linear(self.width, use_bias=self.out_bias)
        self.drop = Dropout()

    def __call__(
        self,
        hidden: Array,
        visible: Array,
        memories: Sequence[Source] = (),
        rotation: Rotation | None = None,
        bias: Array | None = None,
        at: Array | None = None,
    ) -> tuple[Array, Array, Array]:
        """(output [B, T, D], keys [B, T, G, K], values [B, T, G, K]).

        visible: [B, T, T], or [B, 1, T] where every query sees the same. bias: as in `Source`.
        at: [B, L] slots of which the output [B, L, D] is wanted, with `visible`, and that of
        `memories`, for these alone.
        """
        if self.fused:
            ends = (self.heads * self.head_width, (self.heads + self.kv_heads) * self.head_width)
            query, keys, values = jnp.split(self.qkv(hidden), ends, axis=-1)
            query = take_positions(query, at)
        else:
            query, keys, values = (
                self.query(take_positions(hidden, at)),
                self.key(hidden),
                self.value(hidden),
            )
        query, keys, values = (self._heads(x) for x in (query, keys, values))
        if self.head_norm is not None:
            query, keys = self.query_norm(query), self.key_norm(keys)
        if rotation is not None:
            here = (take_positions(rotation[0], at), take_positions(rotation[1], at))
            query, keys = rotate(query, here), rotate(keys, rotation)
        return self._attended(query, [*memories, Source(keys, values, visible, bias)]), keys, values

    def project_memory(self, inputs: Array) -> tuple[Array, Array]:
        """Keys and values, each [B, S, G, K], of `inputs` [B, S, D], for `cross`."""
        return self._heads(self.key(inputs)), self._heads(self.value(inputs))

    def cross(self, hidden: Array, source: Source) -> Array:
        """Output [B, T, D] of `hidden` [B, T, D] over what another sequence offers."""
        return self._attended(self._heads(self.query(hidden)), [source])

    def _heads(self, flat: Array) -> Array:
        heads = flat.shape[-1] // self.head_width
        return flat.reshape(*flat.shape[:-1], heads, self.head_width)

    def _attended(self, query: Array, sources: Sequence[Source]) -> Array:
        scale = self.head_width**-0.5 if self.scale is None else self.scale
        on_scores = None
        if self.score_cap is not None:
            on_scores = partial(soft_cap, cap=self.score_cap)
        if suits(query, sources, self.drop.works(), on_scores):
            attended = flash(query, sources, scale)
        else:
            attended = attend(query, sources, scale, self.drop, on_scores)
        return self.out(attended.reshape(*attended.shape[:2], self.heads * self.head_width))


def causal(valid: Array) -> Array:
    """[B, T, T]: position t sees the valid positions of [B, T] up to itself, by their order."""
    order = jnp.arange(valid.shape[1])
    return (order[None, :] <= order[:, None])[None] & valid[:, None, :]
