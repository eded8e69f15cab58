"""Dropout whose mask for a row depends on that row's key alone.

Bits are drawn by position from the row's start, so neither padding nor the other rows change them.
"""

import jax
import jax.numpy as jnp


def dropout(x: jax.Array, rate: float | None, keys: jax.Array | None) -> jax.Array:
    """x [B, T, D] with elements dropped at `rate` and the others scaled by 1 / (1 - rate).

    keys: [B], one random key per row; None (evaluation) or a rate of None changes nothing.
    """
    if rate is None or keys is None:
        return x
    keep = 1.0 - jnp.asarray(rate)
    retained = jax.vmap(lambda key: jax.random.bernoulli(key, keep, x.shape[1:]))(keys)
    return _scaled(x, retained, keep)


def shared_dropout(x: jax.Array, rate: float, keys: jax.Array | None) -> jax.Array:
    """x [B, ..., T, D] with one mask for all T positions of a row, as T5 has it in its code; of
    attention weights [B, ..., T, S] one for all queries.

    keys: [B], one random key per row; None (evaluation) changes nothing.
    """
    if keys is None:
        return x
    # The last axis may be padded, so it is the first that bits are drawn along.
    *others, _, width = x.shape[1:]
    keep = jnp.asarray(1.0 - rate)
    retained = jax.vmap(lambda key: jax.random.bernoulli(key, keep, (width, *others)))(keys)
    return _scaled(x, jnp.moveaxis(retained, 1, -1)[..., None, :], keep)


def _scaled(x: jax.Array, retained: jax.Array, keep: jax.Array) -> jax.Array:
    return jnp.where(retained, x / keep.astype(x.dtype), jnp.zeros((), x.dtype))
