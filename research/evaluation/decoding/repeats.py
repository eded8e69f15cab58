"""No repeated n-grams in generated texts, as in transformers and the code of LoRA's authors."""

import jax
import jax.numpy as jnp


def without_repeats(
    scores: jax.Array, tokens: jax.Array, step: jax.Array, size: int | None
) -> jax.Array:
    """Scores [R, V] of the next token of each text, -inf for tokens that would repeat an n-gram.

    Args:
        scores: [R, V] scores of the next token.
        tokens: [R, N] the texts, of which the first `step` tokens are generated.
        step: number of generated tokens.
        size: n of the n-grams; None allows repetition.
    """
    if size is None:
        return scores
    positions = jnp.arange(tokens.shape[1], dtype=jnp.int32)
    # Whether the tokens before each position are the last ones of the text.
    same = jnp.broadcast_to((positions >= size - 1) & (positions < step), tokens.shape)
    for back in range(1, size):
        last = jnp.take(tokens, jnp.maximum(step - back, 0), axis=1)
        same &= jnp.roll(tokens, back, axis=1) == last[:, None]
    barred = jnp.where(same, tokens, scores.shape[-1])  # beyond the last token: none
    return jax.vmap(lambda row, at: row.at[at].set(-jnp.inf, mode="drop"))(scores, barred)
