"""The route of decoders: a target follows its prompt, each token given all before it.

What stands before every row (demonstrations, soft prompts) is computed once, at batch one.
"""

import jax
import jax.numpy as jnp

from research.evaluation.batch import Frame, Rows
from research.evaluation.routes.row import pick, row_keys
from research.methods.adapted import Adapted
from research.tasks.encoded import Labels


def target_logprobs(
    adapted: Adapted,
    rows: Rows,
    frame: Frame,
    key: jax.Array | None = None,
    smoothing: float = 0.0,
):
    width, targets = rows.tokens.shape[1], rows.target.shape[1]
    memories, offset = adapted.prefix(frame.opening, frame.length, _opening_key(key))
    slots = jnp.arange(width, dtype=jnp.int32)[None]
    target_slots = jnp.arange(targets, dtype=jnp.int32)[None]
    hidden, _ = adapted.rows(
        rows.tokens,
        slots < rows.length[:, None],
        jnp.broadcast_to(offset + slots, rows.tokens.shape),
        memories,
        keys=row_keys(rows, key),
        at=jnp.clip(rows.start[:, None] - 1 + target_slots, 0, width - 1),
    )
    counted = target_slots < (rows.length - rows.start)[:, None]
    return pick(adapted.logits(hidden), rows.target, smoothing), counted


def label_scores(adapted: Adapted, rows: Rows, frame: Frame, labels: Labels) -> jax.Array:
    """The keys and values of a row's prompt serve all its labels."""
    (size, width), (classes, targets) = rows.tokens.shape, labels.tokens.shape
    memories, offset = adapted.prefix(frame.opening, frame.length)
    slots = jnp.arange(width, dtype=jnp.int32)[None]
    hidden, prompts = adapted.rows(
        rows.tokens,
        slots < rows.start[:, None],
        jnp.broadcast_to(offset + slots, rows.tokens.shape),
        memories,
        at=jnp.clip(rows.start - 1, 0)[:, None],
    )
    first_logits = adapted.logits(hidden[:, 0])
    first = jax.nn.log_softmax(first_logits)[:, labels.tokens[:, 0]]

    tokens = jnp.tile(labels.tokens[:, :-1], (size, 1))
    later = jnp.arange(targets - 1, dtype=jnp.int32)[None]
    lengths = jnp.tile(labels.length, size)[:, None]
    starts = jnp.repeat(rows.start, classes)[:, None]
    hidden, _ = adapted.rows(tokens, later < lengths, offset + starts + later, (*memories, prompts))
    following = jnp.tile(labels.tokens[:, 1:], (size, 1))
    logprobs = jnp.where(later + 1 < lengths, pick(adapted.logits(hidden), following), 0.0)
    return first + logprobs.sum(-1).reshape(size, classes)


def _opening_key(key: jax.Array | None) -> jax.Array | None:
    return None if key is None else jax.random.fold_in(key, 0)
