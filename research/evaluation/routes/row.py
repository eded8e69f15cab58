"""What the routes share: random keys of rows, rows with their closing, chosen log-probabilities."""

import jax
import jax.numpy as jnp

from research.evaluation.batch import PromptFrame, Rows
from research.methods.method import Array


def row_keys(rows: Rows, key: jax.Array | None) -> jax.Array | None:
    """One random key per row [B], by its place in the whole batch; None while evaluating."""
    if key is None:
        return None
    return jax.vmap(lambda place: jax.random.fold_in(key, place + 1))(rows.row_index)


def closed(
    tokens: Array, start: Array, frame: PromptFrame, masks: Array, most: int
) -> tuple[jax.Array, jax.Array]:
    """(ids [B, T + most + E], valid): the first `start` [B] tokens of each row, `masks` [B] mask
    tokens, at most `most` of them, and the closing.
    """
    size, ending = tokens.shape[1] + most + len(frame.suffix_ids), len(frame.suffix_ids)
    slots = jnp.arange(size, dtype=jnp.int32)[None]
    prompt = jnp.pad(tokens, ((0, 0), (0, size - tokens.shape[1])))
    end = (start + masks)[:, None]
    written = jnp.where(slots < start[:, None], prompt, frame.mask)
    if ending:
        closing = jnp.asarray(frame.suffix_ids)[jnp.clip(slots - end, 0, ending - 1)]
        written = jnp.where(slots < end, written, closing)
    return written, slots < end + ending


def segments(tokens: jax.Array, frame: PromptFrame, kinds: int) -> jax.Array:
    """[B, T] int32: how many separators (the last token of the closing) stand before a token, at
    most `kinds` - 1. So the second text of a pair, "a [SEP] b", is segment 1, as in BERT.
    """
    separators = (tokens == frame.suffix_ids[-1]).astype(jnp.int32)
    return jnp.minimum(jnp.cumsum(separators, axis=1) - separators, kinds - 1)


def pick(logits: jax.Array, tokens: Array, smoothing: float = 0.0) -> jax.Array:
    """log softmax(logits [..., V]) at `tokens` [...], without the whole [..., V] of it.

    smoothing: the share of its mean over V in the result, label smoothing (Szegedy et al. 2016,
    arXiv 1512.00567, section 7).
    """
    chosen = jnp.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]
    if smoothing:
        chosen = (1 - smoothing) * chosen + smoothing * logits.mean(axis=-1)
    return chosen - jax.nn.logsumexp(logits, axis=-1)
