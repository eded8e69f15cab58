"""Attention in blocks of queries, for scores that would fill the memory if computed at once."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax import Array

from research.models.layers.softmax_attention import OnScores, Source, attend

MOST_SCORE_BYTES = 1 << 31  # bytes of scores that are computed without blocks
BLOCK = 1 << 27  # bytes of the scores of a block


def needs_blocks(query: Array, sources: Sequence[Source]) -> bool:
    """Whether the scores of all queries together are too large to compute at once."""
    return (
        query.shape[1] > 1 and query.shape[1] * _bytes_of_a_query(query, sources) > MOST_SCORE_BYTES
    )


def attend_in_blocks(
    query: Array, sources: Sequence[Source], scale: float, on_scores: OnScores = None
) -> Array:
    """The output [B, T, H, K] of `attend`, computed for one block of queries after another.

    Needs O(T) memory instead of O(T S) (Rabe & Staats 2021, arXiv 2112.05682, whose keys are in
    blocks too). The backward pass computes the scores of each block again.

    Args:
        query: [B, T, H, K].
        sources: as of `attend`.
        scale: as of `attend`.
        on_scores: as of `attend`.
    """
    length = query.shape[1]
    size = max(1, min(length, BLOCK // _bytes_of_a_query(query, sources)))
    blocks = -(-length // size)

    @jax.checkpoint
    def block(begin: Array) -> Array:
        parts = [
            Source(
                source.keys,
                source.values,
                _queries(source.visible, 1, begin, size),
                None if source.bias is None else _queries(source.bias, 2, begin, size),
            )
            for source in sources
        ]
        return attend(_queries(query, 1, begin, size), parts, scale, on_scores=on_scores)

    # The last block ends with the last query, and so repeats queries of the one before.
    begins = jnp.minimum(jnp.arange(blocks) * size, length - size)
    outputs = jnp.moveaxis(jax.lax.map(block, begins), 0, 1)  # [B, blocks, size, H, K]
    whole = outputs[:, :-1].reshape(len(query), -1, *query.shape[2:])
    return jnp.concatenate([whole, outputs[:, -1, blocks * size - length :]], axis=1)


def _bytes_of_a_query(query: Array, sources: Sequence[Source]) -> int:
    """Bytes of the scores of one query position in all rows and heads."""
    rows, _, heads, _ = query.shape
    return 4 * rows * heads * sum(source.keys.shape[1] for source in sources)


def _queries(x: Array, axis: int, begin: Array, size: int) -> Array:
    """The block of an array with all queries along `axis`, or the array if it is for any query."""
    return x if x.shape[axis] == 1 else jax.lax.dynamic_slice_in_dim(x, begin, size, axis)
