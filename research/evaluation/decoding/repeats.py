"""Texts in which no n-gram stands twice, as transformers and the authors of LoRA bar them."""

import jax
import jax.numpy as jnp


def without_repeats(
    scores: jax.Array, tokens: jax.Array, step: jax.Array, size: int | None
) -> jax.Array:
    """Scores [R, V] of what follows the first `step` tokens of each text [R, N], -inf for what
    would make its last `size` tokens stand in it a second time. size: None bars nothing.
    """
    if size is None:
        return scores
    places = jnp.arange(tokens.shape[1], dtype=jnp.int32)
    # Of each place, whether the tokens before it are the last ones of the text.
    same = jnp.broadcast_to((places >= size - 1) & (places < step), tokens.shape)
    for back in range(1, size):
        last = jnp.take(tokens, jnp.maximum(step - back, 0), axis=1)
        same &= jnp.roll(tokens, back, axis=1) == last[:, None]
    barred = jnp.where(same, tokens, scores.shape[-1])  # beyond the last token: none
    return jax.vmap(lambda row, at: row.at[at].set(-jnp.inf, mode="drop"))(scores, barred)
