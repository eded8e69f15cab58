"""The one scorer: log-probabilities of target tokens, end-of-target included.

Training minimises what scoring measures: `target_logprobs` is the objective's, `label_scores`
sums the same numbers for every candidate label, re-using the keys and values of the prompt.
"""

import jax
import jax.numpy as jnp

from research.evaluation.batch import Labels, Prefix, Rows
from research.methods.adapted import Adapted
from research.methods.method import Array


def target_logprobs(adapted: Adapted, rows: Rows, prefix: Prefix, key: jax.Array | None = None):
    """(log p [B, L], counted [B, L] bool) of each row's target tokens given all before them.

    key: the step's random key while training; row i uses `fold_in(key, rows.place[i])`.
    """
    width, targets = rows.tokens.shape[1], rows.target.shape[1]
    memories, offset, keys = _begin(adapted, rows, prefix, key)
    slots = jnp.arange(width, dtype=jnp.int32)[None]
    hidden, _ = adapted.rows(
        rows.tokens,
        slots < rows.length[:, None],
        jnp.broadcast_to(offset + slots, rows.tokens.shape),
        memories,
        keys,
    )
    target_slots = jnp.arange(targets, dtype=jnp.int32)[None]
    before = jnp.clip(rows.start[:, None] - 1 + target_slots, 0, width - 1)
    logits = adapted.logits(jnp.take_along_axis(hidden, before[..., None], axis=1))
    return _pick(logits, rows.target), target_slots < (rows.length - rows.start)[:, None]


def label_scores(adapted: Adapted, rows: Rows, prefix: Prefix, labels: Labels) -> jax.Array:
    """[B, C]: the summed log-probability of every label's tokens after each row's prompt.

    A row's own target tokens are not looked at.
    """
    (size, width), (classes, targets) = rows.tokens.shape, labels.tokens.shape
    memories, offset, _ = _begin(adapted, rows, prefix, None)
    slots = jnp.arange(width, dtype=jnp.int32)[None]
    hidden, prompts = adapted.rows(
        rows.tokens,
        slots < rows.start[:, None],
        jnp.broadcast_to(offset + slots, rows.tokens.shape),
        memories,
    )
    last = jnp.clip(rows.start - 1, 0)[:, None, None]
    first_logits = adapted.logits(jnp.take_along_axis(hidden, last, axis=1)[:, 0])
    first = jax.nn.log_softmax(first_logits)[:, labels.tokens[:, 0]]

    tokens = jnp.tile(labels.tokens[:, :-1], (size, 1))
    later = jnp.arange(targets - 1, dtype=jnp.int32)[None]
    lengths = jnp.tile(labels.length, size)[:, None]
    starts = jnp.repeat(rows.start, classes)[:, None]
    hidden, _ = adapted.rows(tokens, later < lengths, offset + starts + later, (*memories, prompts))
    following = jnp.tile(labels.tokens[:, 1:], (size, 1))
    logprobs = jnp.where(later + 1 < lengths, _pick(adapted.logits(hidden), following), 0.0)
    return first + logprobs.sum(-1).reshape(size, classes)


def _begin(adapted: Adapted, rows: Rows, prefix: Prefix, key: jax.Array | None):
    """(memories of the prefix, position of a row's first token, one key per row or None)."""
    if key is None:
        return *adapted.prefix(prefix.tokens, prefix.length), None
    keys = jax.vmap(lambda place: jax.random.fold_in(key, place + 1))(rows.place)
    memories, offset = adapted.prefix(prefix.tokens, prefix.length, jax.random.fold_in(key, 0))
    return memories, offset, keys


def _pick(logits: jax.Array, tokens: Array) -> jax.Array:
    """log softmax(logits [..., V]) at `tokens` [...], without the whole [..., V] of it."""
    chosen = jnp.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1)
