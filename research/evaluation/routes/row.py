"""Functions that routes share: random keys of rows, suffixes, segments, log-probabilities."""

import jax
import jax.numpy as jnp

from research.evaluation.batch import PromptFrame, Rows
from research.methods.method import Array
from research.tasks.encoding.encoded import Labels


def random_keys(rows: Rows, key: jax.Array | None) -> jax.Array | None:
    """One random key per row [B], by its index in the whole batch; None in evaluation."""
    if key is None:
        return None
    return jax.vmap(lambda index: jax.random.fold_in(key, index + 1))(rows.row_index)


def each_choice(array: Array, rows: int, own: bool) -> jax.Array:
    """[B C, ...] for all choices of all rows, of an array of labels.

    Args:
        array: [C, ...] that all rows share, or [B, C, ...].
        rows: B.
        own: whether the rows have their own.
    """
    if own:
        return jnp.reshape(array, (-1, *array.shape[2:]))
    return jnp.tile(array, (rows, *(1,) * (array.ndim - 1)))


def each_key(keys: jax.Array | None, choices: int) -> jax.Array | None:
    """The keys of B rows as those of all their choices, B C."""
    return None if keys is None else jnp.repeat(keys, choices, axis=0)


def without_absent(scores: jax.Array, labels: Labels, row_lengths: Array) -> jax.Array:
    """Scores [B, C] with -inf for the choices that a row lacks; unchanged for shared labels.

    A row of padding, of length 0, has all of them, so that no score and no gradient is NaN.
    """
    if labels.length.ndim == 1:
        return scores
    present = (labels.length > 0) | (jnp.asarray(row_lengths) == 0)[:, None]
    return jnp.where(present, scores, -jnp.inf)


def closed(
    tokens: Array, prompt_length: Array, frame: PromptFrame, masks: Array, most: int
) -> tuple[jax.Array, jax.Array]:
    """(ids [B, T + most + E], valid): the prompt of each row, its masks, and the suffix.

    Args:
        tokens: [B, T] the rows.
        prompt_length: [B] tokens of each row's prompt.
        frame: the ids around every row.
        masks: [B] number of mask tokens.
        most: the largest number of them.
    """
    size, suffix = tokens.shape[1] + most + len(frame.suffix_ids), len(frame.suffix_ids)
    slots = jnp.arange(size, dtype=jnp.int32)[None]
    prompt = jnp.pad(tokens, ((0, 0), (0, size - tokens.shape[1])))
    end = (prompt_length + masks)[:, None]
    written = jnp.where(slots < prompt_length[:, None], prompt, frame.mask)
    if suffix:
        suffix_ids = jnp.asarray(frame.suffix_ids)[jnp.clip(slots - end, 0, suffix - 1)]
        written = jnp.where(slots < end, written, suffix_ids)
    return written, slots < end + suffix


def segments(tokens: jax.Array, frame: PromptFrame, kinds: int) -> jax.Array:
    """Segment of each token, [B, T] int32: the number of separators before it, at most `kinds` - 1.

    The separator is the last token of the suffix. So the second text of a pair, "a [SEP] b", is
    segment 1, as in BERT.
    """
    separators = (tokens == frame.suffix_ids[-1]).astype(jnp.int32)
    return jnp.minimum(jnp.cumsum(separators, axis=1) - separators, kinds - 1)


def pick(logits: jax.Array, tokens: Array, smoothing: float = 0.0) -> jax.Array:
    """log softmax(logits [..., V]) at `tokens` [...], without computing it for all of V.

    smoothing: weight of the mean over V in the result, label smoothing (Szegedy et al. 2016,
    arXiv 1512.00567, section 7).
    """
    chosen = jnp.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]
    if smoothing:
        chosen = (1 - smoothing) * chosen + smoothing * logits.mean(axis=-1)
    return chosen - jax.nn.logsumexp(logits, axis=-1)
