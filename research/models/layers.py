"""Layers that families share: rotary positions and attention over memories."""

from collections.abc import Callable, Sequence
from functools import partial, reduce
from itertools import accumulate
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from research.models.dropout import Dropout

Rotation = tuple[Array, Array]  # cosine and sine, each [B, T, 1, K / 2] in float32
Drop = Callable[[Array], Array] | None

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


class Memory(NamedTuple):
    """What positions already computed offer to later ones.

    A memory with b rows serves B rows: row i reads memory row i // (B // b).
    """

    keys: tuple[Array, ...]  # one [b, S, G, K] per layer, rotated already
    values: tuple[Array, ...]  # one [b, S, G, K] per layer
    valid: Array  # [b, S] bool
    positions: Array  # [b, S] int32


class Source(NamedTuple):
    """Keys and values that one layer's queries attend to.

    visible and bias have b rows, or B where they differ between the rows that a memory serves.
    """

    keys: Array  # [b, S, G, K]
    values: Array  # [b, S, G, K]
    visible: Array  # bool, [b, T, S], or [b, 1, S] where all queries see the same
    bias: Array | None = None  # [b, H, T, S] float32, added to the scores


def taken(x: Array, at: Array | None) -> Array:
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
    """Rotates pair (i, i + K / 2) of every head of [B, T, H, K]: the half-split order of HF."""
    cosine, sine = rotation
    first, second = jnp.split(heads.astype(jnp.float32), 2, axis=-1)
    turned = [first * cosine - second * sine, second * cosine + first * sine]
    return jnp.concatenate(turned, axis=-1).astype(heads.dtype)


# Added to the scores of what is not visible: none of float32's scores changes it.
UNSEEN = -1e30


def attend(query: Array, sources: Sequence[Source], scale: float, drop: Drop = None) -> Array:
    """[B, T, H, K]: `query` [B, T, H, K] attends to all sources, with one softmax in float32, whose
    weights [B, G, H / G, T, S] go through `drop`, if there is one.

    Grouped heads as in Ainslie et al. 2023 (arXiv 2305.13245): H / G queries share a key head.
    A query that sees nothing gets the mean of the values: arbitrary, but finite. The sum of the
    weighted values is divided, not each weight, as in Dao et al. 2022 (arXiv 2205.14135). Raises
    ValueError for a source whose rows do not divide B.
    """
    scores = [_scores(query, source, scale) for source in sources]
    highest = [one.max(axis=-1, keepdims=True, initial=UNSEEN) for one in scores]
    peak = jax.lax.stop_gradient(reduce(jnp.maximum, highest))
    weights = [jnp.exp(one - peak) for one in scores]
    total = reduce(jnp.add, (one.sum(axis=-1) for one in weights))
    kept = weights if drop is None else _dropped(weights, drop)
    pairs = zip(kept, sources, strict=True)
    summed = [_weighted(one.astype(query.dtype), source.values) for one, source in pairs]
    share = jnp.moveaxis(1 / total, -1, 1)[..., None]
    attended = reduce(jnp.add, summed) * share.astype(query.dtype)
    return attended.reshape(query.shape)


def _dropped(weights: Sequence[Array], drop: Callable[[Array], Array]) -> list[Array]:
    """The weights of all sources after `drop`, which sees them as one."""
    ends = list(accumulate(one.shape[-1] for one in weights))
    return jnp.split(drop(jnp.concatenate(weights, axis=-1)), ends[:-1], axis=-1)


def _scores(query: Array, source: Source, scale: float) -> Array:
    """[B, G, H / G, T, S] in float32; the queries are grouped by memory row, nothing repeated."""
    (rows, length, heads, width), (served, size, groups, _) = query.shape, source.keys.shape
    if rows % served:
        raise ValueError(f"a memory of {served} rows cannot serve {rows} rows")
    grouped = query.reshape(served, rows // served, length, groups, heads // groups, width)
    scores = jnp.einsum(
        "bntgqk,bsgk->bngqts", grouped, source.keys, preferred_element_type=jnp.float32
    )
    # A sum, not a choice, so that nothing is left to do in the backward pass.
    hidden = jnp.where(_by_memory(source.visible, served)[:, :, None, None], 0.0, UNSEEN)
    scores = scores * scale + hidden
    if source.bias is not None:
        bias = _by_memory(source.bias, served)
        scores = scores + bias.reshape(*bias.shape[:2], groups, heads // groups, *bias.shape[3:])
    return scores.reshape(rows, groups, heads // groups, length, size)


def _by_memory(x: Array, served: int) -> Array:
    """[b, B / b, ...] of [B, ...]; [b, 1, ...] where all the rows that a memory serves share it."""
    return x.reshape(served, len(x) // served, *x.shape[1:]) if len(x) > 1 else x[None]


def _weighted(weights: Array, values: Array) -> Array:
    """[B, T, G, H / G, K]: the sum of `values` [b, S, G, K] under [B, G, H / G, T, S]."""
    rows, groups, queries, length, size = weights.shape
    served, width = values.shape[0], values.shape[-1]
    grouped = weights.reshape(served, rows // served, groups, queries, length, size)
    summed = jnp.einsum("bngqts,bsgk->bntgqk", grouped, values)
    return summed.reshape(rows, length, groups, queries, width)


class Attention(nn.Module):
    """Grouped-query attention over memories and its own inputs.

    bias: of query, key and value; out_bias: of the output. fused: whether one layer `qkv` makes
    all three. head_norm: epsilon of an RMS norm over each query and key head. scale: of the scores,
    None for K^-1/2.
    """

    width: int
    heads: int
    kv_heads: int
    head_width: int
    bias: bool = False
    out_bias: bool = False
    fused: bool = False
    head_norm: float | None = None
    scale: float | None = None

    def setup(self):
        queries, keys = self.heads * self.head_width, self.kv_heads * self.head_width
        if self.fused:
            self.qkv = linear(queries + 2 * keys, use_bias=self.bias)
        else:
            self.query = linear(queries, use_bias=self.bias)
            self.key = linear(keys, use_bias=self.bias)
            self.value = linear(keys, use_bias=self.bias)
        if self.head_norm is not None:
            self.query_norm = nn.RMSNorm(self.head_norm)
            self.key_norm = nn.RMSNorm(self.head_norm)
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
            query = taken(query, at)
        else:
            query, keys, values = (
                self.query(taken(hidden, at)),
                self.key(hidden),
                self.value(hidden),
            )
        query, keys, values = (self._heads(x) for x in (query, keys, values))
        if self.head_norm is not None:
            query, keys = self.query_norm(query), self.key_norm(keys)
        if rotation is not None:
            here = (taken(rotation[0], at), taken(rotation[1], at))
            query, keys = rotate(query, here), rotate(keys, rotation)
        return self._attended(query, [*memories, Source(keys, values, visible, bias)]), keys, values

    def offered(self, inputs: Array) -> tuple[Array, Array]:
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
        attended = attend(query, sources, scale, self.drop)
        return self.out(attended.reshape(*attended.shape[:2], self.heads * self.head_width))


def causal(valid: Array) -> Array:
    """[B, T, T]: position t sees the valid positions of [B, T] up to itself, by their order."""
    order = jnp.arange(valid.shape[1])
    return (order[None, :] <= order[:, None])[None] & valid[:, None, :]
