"""Grouped-query attention, and which positions it reads and computes."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from research.models.layers.block_attention import attend_in_blocks, needs_blocks
from research.models.layers.dropout import Dropout
from research.models.layers.flash_attention import flash, suits
from research.models.layers.linear import linear
from research.models.layers.norm import rms_norm
from research.models.layers.rope import Rotation, rotate
from research.models.layers.softmax_attention import Source, attend, soft_cap


def take_positions(x: Array, at: Array | None) -> Array:
    """The slots `at` [B, L] of `x` [B, T, ...]: [B, L, ...]; `x` itself for None."""
    if at is None:
        return x
    return jnp.take_along_axis(x, at.reshape(*at.shape, *(1,) * (x.ndim - 2)), axis=1)


class Attention(nn.Module):
    """Grouped-query attention over memories and its own inputs.

    Attributes:
        width: of the output, D.
        heads: number of query heads, H.
        kv_heads: number of key and value heads, G.
        head_width: dimensions of a head, K.
        bias: whether query, key and value have a bias.
        out_bias: whether the output has a bias.
        fused: whether one layer `qkv` computes query, key and value.
        by_head: whether this layer, then `qkv_by_head`, has the query, key and value of the first
            head before those of the second, and so on (GPT-NeoX).
        head_norm: epsilon of an RMS norm over each query and key head; None for no norm.
        whole_norm: whether these norms are over all heads of a query or key together (OLMo 2).
        norm_offset: added to the scales of these norms.
        scale: factor of the scores; None for K^-1/2.
        score_cap: limit of the scaled scores, by `soft_cap`; None for no limit.
    """

    width: int
    heads: int
    kv_heads: int
    head_width: int
    bias: bool = False
    out_bias: bool = False
    fused: bool = False
    by_head: bool = False
    head_norm: float | None = None
    whole_norm: bool = False
    norm_offset: float = 0.0
    scale: float | None = None
    score_cap: float | None = None

    def setup(self):
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        if self.fused and self.by_head:
            self.qkv_by_head = linear(queries + 2 * keys, use_bias=self.bias)
        elif self.fused:
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

        Args:
            hidden: [B, T, D] inputs.
            visible: [B, T, T] mask, or [B, 1, T] if it is the same for every query.
            memories: keys and values of earlier positions.
            rotation: of the positions; None for no rotary positions.
            bias: of the scores, as in `Source`.
            at: [B, L] slots whose output [B, L, D] is wanted; `visible` and the masks of `memories`
                are then those of these slots.
        """
        if self.fused:
            split = self._split_by_head if self.by_head else self._split
            query, keys, values = split(hidden)
            query = take_positions(query, at)
        else:
            query, keys, values = (
                self.query(take_positions(hidden, at)),
                self.key(hidden),
                self.value(hidden),
            )
        if self.head_norm is not None and self.whole_norm:
            query, keys = self.query_norm(query), self.key_norm(keys)
        query, keys, values = (self._heads(x) for x in (query, keys, values))
        if self.head_norm is not None and not self.whole_norm:
            query, keys = self.query_norm(query), self.key_norm(keys)
        if rotation is not None:
            of_queries = (take_positions(rotation[0], at), take_positions(rotation[1], at))
            query, keys = rotate(query, of_queries), rotate(keys, rotation)
        return self._attended(query, [*memories, Source(keys, values, visible, bias)]), keys, values

    def project_memory(self, inputs: Array) -> tuple[Array, Array]:
        """Keys and values, each [B, S, G, K], of `inputs` [B, S, D], for `cross`."""
        return self._heads(self.key(inputs)), self._heads(self.value(inputs))

    def cross(self, hidden: Array, source: Source) -> Array:
        """Cross-attention: the output [B, T, D] of `hidden` [B, T, D] over another sequence."""
        return self._attended(self._heads(self.query(hidden)), [source])

    def _split(self, hidden: Array) -> list[Array]:
        """Query [B, T, H * K], keys and values [B, T, G * K] of the layer `qkv`."""
        ends = (self.heads * self.head_width, (self.heads + self.kv_heads) * self.head_width)
        return jnp.split(self.qkv(hidden), ends, axis=-1)

    def _split_by_head(self, hidden: Array) -> list[Array]:
        """Query, keys and values, each [B, T, H * K], of the layer `qkv_by_head`."""
        flat = self.qkv_by_head(hidden)
        by_head = flat.reshape(*flat.shape[:-1], self.heads, 3 * self.head_width)
        width = self.heads * self.head_width
        return [x.reshape(*x.shape[:-2], width) for x in jnp.split(by_head, 3, axis=-1)]

    def _heads(self, flat: Array) -> Array:
        heads = flat.shape[-1] // self.head_width
        return flat.reshape(*flat.shape[:-1], heads, self.head_width)

    def _attended(self, query: Array, sources: Sequence[Source]) -> Array:
        scale = self.head_width**-0.5 if self.scale is None else self.scale
        on_scores = None
        if self.score_cap is not None:
            on_scores = partial(soft_cap, cap=self.score_cap)
        drops = self.drop.works()
        if suits(query, sources, drops, on_scores):
            attended = flash(query, sources, scale)
        elif not drops and needs_blocks(query, sources):
            attended = attend_in_blocks(query, sources, scale, on_scores)
        else:
            attended = attend(query, sources, scale, self.drop, on_scores)
        return self.out(attended.reshape(*attended.shape[:2], self.heads * self.head_width))


def causal(valid: Array) -> Array:
    """[B, T, T] mask: position t attends to the valid positions of [B, T] up to itself."""
    order = jnp.arange(valid.shape[1])
    return (order[None, :] <= order[:, None])[None] & valid[:, None, :]
