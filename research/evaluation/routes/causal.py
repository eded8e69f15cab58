"""The route of decoders: each target token is predicted from the prompt and the tokens before it.

The prefix of every row (demonstrations, soft prompts) is computed once, at batch one. A single
prefix token, the usual BOS, is part of every row instead: its own pass through the model was a
third of a step's kernels (LoRA on a small model, one core: compiled in 3.6 s, not 7.8, and 4.8 ms
a step, not 5.5).
"""

import jax
import jax.numpy as jnp

from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.routes.row import each_choice, each_key, random_keys, without_absent
from research.evaluation.routes.token_logprobs import token_logprobs
from research.methods.adapted import Adapted
from research.methods.method import Array
from research.models.layers.key_value_memory import KeyValueMemory
from research.tasks.encoding.encoded import Labels


def target_logprobs(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    key: jax.Array | None = None,
    smoothing: float = 0.0,
):
    memories, offset, rows = with_prefix(adapted, rows, frame, key)
    width, targets = rows.tokens.shape[1], rows.target.shape[1]
    target_slots = jnp.arange(targets, dtype=jnp.int32)[None]
    at = jnp.clip(rows.prompt_length[:, None] - 1 + target_slots, 0, width - 1)
    keys = random_keys(rows, key)
    hidden, _ = row_states(adapted, rows.tokens, rows.length, memories, offset, keys, at)
    counted = target_slots < (rows.length - rows.prompt_length)[:, None]
    return token_logprobs(adapted, hidden, rows.target, smoothing), counted


def label_scores(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    labels: Labels,
    key: jax.Array | None = None,
) -> jax.Array:
    """The keys and values of a row's prompt serve all its labels."""
    keys, row_lengths = random_keys(rows, key), rows.length
    memories, offset, rows = with_prefix(adapted, rows, frame, key)
    size, (classes, targets) = len(rows.tokens), labels.tokens.shape[-2:]
    own, at = labels.tokens.ndim == 3, jnp.clip(rows.prompt_length - 1, 0)[:, None]
    hidden, prompts = row_states(
        adapted, rows.tokens, rows.prompt_length, memories, offset, keys, at
    )
    first_logits = adapted.logits(hidden[:, 0])
    first = jax.nn.log_softmax(first_logits)
    if own:
        first = jnp.take_along_axis(first, labels.tokens[:, :, 0], axis=1)
    else:
        first = first[:, labels.tokens[:, 0]]

    tokens = each_choice(labels.tokens[..., :-1], size, own)
    later = jnp.arange(targets - 1, dtype=jnp.int32)[None]
    lengths = each_choice(labels.length, size, own)[:, None]
    starts = jnp.repeat(rows.prompt_length, classes)[:, None]
    hidden, _ = adapted.rows(
        tokens,
        later < lengths,
        offset + starts + later,
        (*memories, prompts),
        keys=each_key(keys, classes),
    )
    following = each_choice(labels.tokens[..., 1:], size, own)
    logprobs = token_logprobs(adapted, hidden, following)
    logprobs = jnp.where(later + 1 < lengths, logprobs, 0.0)
    scores = first + logprobs.sum(-1).reshape(size, classes)
    return without_absent(scores, labels, row_lengths)


def last_states(
    adapted: Adapted, rows: Rows, frame: PromptFrame, key: jax.Array | None = None
) -> jax.Array:
    """Hidden states [B, D] at the last token of each row."""
    keys = random_keys(rows, key)
    memories, offset, rows = with_prefix(adapted, rows, frame, key)
    at = jnp.asarray(rows.length)[:, None] - 1
    hidden, _ = row_states(adapted, rows.tokens, rows.length, memories, offset, keys, at)
    return hidden[:, -1]


def row_states(
    adapted: Adapted,
    tokens: Array,
    length: Array,
    memories: tuple[KeyValueMemory, ...],
    offset: jax.Array,
    keys: jax.Array | None = None,
    at: jax.Array | None = None,
) -> tuple[jax.Array, KeyValueMemory]:
    """(hidden states, memory) of rows after a prefix, as `Adapted.rows` returns them.

    Args:
        adapted: the adapted backbone.
        tokens: [B, T] the rows.
        length: [B] tokens of each row that are read.
        memories: the prefix.
        offset: [] position of a row's first token.
        keys: [B] one random key per row while training.
        at: [B, L] slots whose hidden states are wanted; None for all.
    """
    slots = jnp.arange(tokens.shape[1], dtype=jnp.int32)[None]
    positions = jnp.broadcast_to(offset + slots, tokens.shape)
    return adapted.rows(tokens, slots < length[:, None], positions, memories, keys=keys, at=at)


def computes_prefix(adapted: Adapted, frame: PromptFrame) -> bool:
    """Whether a prefix passes through the model before the rows."""
    positions = len(frame.prefix_ids) + len(adapted.soft_prompts())
    return positions > 0 and not rows_have_opening(adapted, frame)


def rows_have_opening(adapted: Adapted, frame: PromptFrame) -> bool:
    """Whether the prefix is part of every row: a single token, without soft prompts before it."""
    return len(frame.prefix_ids) == 1 and not adapted.soft_prompts()


def with_prefix(
    adapted: Adapted, rows: Rows, frame: PromptFrame, key: jax.Array | None = None
) -> tuple[tuple[KeyValueMemory, ...], jax.Array, Rows]:
    """(memories, position [] of a row's first token, rows).

    The prefix is in the memories, or in the rows where `rows_have_opening`.
    """
    if frame.prefix is not None:
        return (*frame.prefix, rows)
    if not rows_have_opening(adapted, frame):
        prefix_key = None if key is None else jax.random.fold_in(key, 0)
        memories, offset = adapted.prefix(frame.prefix_ids, frame.prefix_length, prefix_key)
        return memories, offset, rows
    memories, offset = adapted.layer_prefixes()
    token = jnp.broadcast_to(frame.prefix_ids, (len(rows.tokens), 1))
    tokens = jnp.concatenate([token, rows.tokens], axis=1)
    longer_rows = rows._replace(
        tokens=tokens, prompt_length=rows.prompt_length + 1, length=rows.length + 1
    )
    return memories, offset, longer_rows
