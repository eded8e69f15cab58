"""Attention of queries over everything that several sources offer, as one softmax."""

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import accumulate
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

Drop = Callable[[Array], Array] | None


class Source(NamedTuple):
    """Keys and values that one layer's queries attend to.

    visible and bias have b rows, or B where they differ between the rows that a memory serves.
    """

    keys: Array  # [b, S, G, K]
    values: Array  # [b, S, G, K]
    visible: Array  # bool, [b, T, S], or [b, 1, S] where all queries see the same
    bias: Array | None = None  # [b, H, T, S] float32, added to the scores


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
