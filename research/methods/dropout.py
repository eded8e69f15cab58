"""Dropout whose mask for a row depends on that row's key alone."""

import jax
import jax.numpy as jnp


def dropout(x: jax.Array, rate: float | None, keys: jax.Array | None) -> jax.Array:
    """x [B, T, D] with elements dropped at `rate` and the others scaled by 1 / (1 - rate).

    keys: [B], one random key per row; None (evaluation) or a rate of None changes nothing. Bits
    are drawn by position from the row's start, so neither padding nor the other rows change them.
    """
    if rate is None or keys is None:
        return x
    keep = 1.0 - jnp.asarray(rate)
    kept = jax.vmap(lambda key: jax.random.bernoulli(key, keep, x.shape[1:]))(keys)
    return jnp.where(kept, x / keep.astype(x.dtype), jnp.zeros((), x.dtype))
