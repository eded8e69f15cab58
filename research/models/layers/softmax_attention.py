"""Attention over several sources of keys and values, with one softmax over all of them."""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

Drop = Callable[[Array], Array] | None
OnScores = Callable[[Array], Array] | None


class Source(NamedTuple):
    """Keys and values that one layer's queries attend to.

    `visible` and `bias` have b rows, or B rows if they differ between the rows that a memory
    serves.

    Attributes:
        keys: [b, S, G, K].
        values: [b, S, G, K].
        visible: bool mask [b, T, S], or [b, 1, S] if it is the same for all queries.
        bias: [b, H, T, S] float32, added to the scores.
    """

    keys: Array
    values: Array
    visible: Array
    bias: Array | None = None


# Added to masked scores. Adding any float32 score to it leaves it unchanged.
UNSEEN = -1e30


def soft_cap(scores: Array, cap: float) -> Array:
    """Scores limited to (-cap, cap) by `cap * tanh(scores / cap)`.

    Gemma Team 2024 (arXiv 2408.00118), section 2.
    """
    return cap * jnp.tanh(scores / cap)


def attend(
    query: Array,
    sources: Sequence[Source],
    scale: float,
    drop: Drop = None,
    on_scores: OnScores = None,
) -> Array:
    """[B, T, H, K]: `query` [B, T, H, K] attends to all sources, with one softmax in float32.

    Grouped heads as in Ainslie et al. 2023 (arXiv 2305.13245): H / G queries share a key head.
    A query with all positions masked gets the mean of the values, which is finite. The sum of the
    weighted values is divided, not each weight, as in Dao et al. 2022 (arXiv 2205.14135).

    The operands of every product have the layout [b, G, rows, columns], so neither pass copies an
    array as large as the scores, which took half of the time on a CPU.

    Args:
        query: [B, T, H, K].
        sources: keys and values, each with b rows.
        scale: factor of the scores.
        drop: applied to the weights [B, G, H / G, T, S] of the softmax.
        on_scores: applied elementwise to the scaled products of queries and keys, in float32,
            before biases and masks are added.

    Raises ValueError for a source whose rows do not divide B.
    """
    scores = [_scores(query * scale, source, on_scores) for source in sources]
    maxima = [_by_row(x.max(axis=-1, initial=UNSEEN)) for x in scores]
    peak = jax.lax.stop_gradient(reduce(jnp.maximum, maxima))
    weights = [jnp.exp(x - _by_memory(peak, len(x))[..., None]) for x in scores]
    total = reduce(jnp.add, (_by_row(x.sum(axis=-1)) for x in weights))
    dropped = weights if drop is None else _dropped(weights, drop)
    pairs = zip(dropped, sources, strict=True)
    summed = [_weighted(x.astype(query.dtype), source.values) for x, source in pairs]
    attended = reduce(jnp.add, summed) * (1 / total)[..., None].astype(query.dtype)
    return jnp.moveaxis(attended, 3, 1).reshape(query.shape)


def _scores(query: Array, source: Source, on_scores: OnScores) -> Array:
    """Scores [b, G, B / b, H / G, T, S] in float32.

    The queries are grouped by memory row, so no key is repeated.
    """
    (rows, length, heads, width), (served, size, groups, _) = query.shape, source.keys.shape
    if rows % served:
        raise ValueError(f"a memory of {served} rows cannot serve {rows} rows")
    by_head = jnp.moveaxis(query.reshape(rows, length, groups, heads // groups, width), 1, 3)
    grouped = _by_memory(by_head, served)
    keys = jnp.moveaxis(source.keys, 2, 1)
    scores = jnp.einsum(
        "bgmk,bgsk->bgms",
        _flat(grouped),
        keys,
        preferred_element_type=jnp.float32,
    ).reshape(*grouped.shape[:-1], size)
    if on_scores is not None:
        scores = on_scores(scores)
    # A sum instead of `where` on the scores: its backward pass does no work.
    hidden = jnp.where(source.visible, 0.0, UNSEEN)[:, None, None]
    scores = scores + _by_memory(hidden, served)
    if source.bias is not None:
        bias = source.bias.reshape(len(source.bias), groups, heads // groups, length, size)
        scores = scores + _by_memory(bias, served)
    return scores


def _weighted(weights: Array, values: Array) -> Array:
    """[B, G, H / G, T, K]: sums of `values` [b, S, G, K] by weights [b, G, B / b, H / G, T, S]."""
    summed = jnp.einsum("bgms,bgsk->bgmk", _flat(weights), jnp.moveaxis(values, 2, 1))
    return _by_row(summed.reshape(*weights.shape[:-1], values.shape[-1]))


def _dropped(weights: Sequence[Array], drop: Callable[[Array], Array]) -> list[Array]:
    """The weights of all sources after `drop`, which is applied to them concatenated."""
    ends = list(accumulate(x.shape[-1] for x in weights))
    dropped = drop(jnp.concatenate([_by_row(x) for x in weights], axis=-1))
    by_source = jnp.split(dropped, ends[:-1], axis=-1)
    return [_by_memory(x, len(before)) for x, before in zip(by_source, weights, strict=True)]


def _by_memory(x: Array, served: int) -> Array:
    """[b, G, B / b, ...] of an array [B, G, ...]; [b or 1, G, 1, ...] of one with b or 1 rows."""
    rows = min(served, len(x))
    return jnp.moveaxis(x.reshape(rows, len(x) // rows, *x.shape[1:]), 1, 2)


def _by_row(x: Array) -> Array:
    """[B, G, ...] of [b, G, B / b, ...]."""
    served, groups, rows, *others = x.shape
    return jnp.moveaxis(x, 2, 1).reshape(served * rows, groups, *others)


def _flat(x: Array) -> Array:
    """[b, G, queries, ...] of [b, G, B / b, H / G, T, ...]."""
    return x.reshape(*x.shape[:2], math.prod(x.shape[2:5]), *x.shape[5:])
