"""The route of T5: the encoder takes the prompt, the decoder predicts the target."""

import jax
import jax.numpy as jnp

from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.routes.row import (
    closed,
    each_choice,
    each_key,
    random_keys,
    without_absent,
)
from research.evaluation.routes.token_logprobs import token_logprobs
from research.methods.adapted import Adapted
from research.methods.encoder_output import cross_memory, encode_rows
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
    keys = random_keys(rows, key)
    slots = jnp.arange(rows.target.shape[1], dtype=jnp.int32)[None]
    counted = slots < (rows.length - rows.prompt_length)[:, None]
    cross = encoded(adapted, rows, frame, keys)
    hidden = _decoded(adapted, rows.target, counted, cross, keys)
    return token_logprobs(adapted, hidden, rows.target, smoothing), counted


def label_scores(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    labels: Labels,
    key: jax.Array | None = None,
) -> jax.Array:
    """The encoded prompt of a row serves all its labels."""
    keys, own = random_keys(rows, key), labels.tokens.ndim == 3
    size, (classes, targets) = len(rows.tokens), labels.tokens.shape[-2:]
    slots = jnp.arange(targets, dtype=jnp.int32)[None]
    counted = slots < each_choice(labels.length, size, own)[:, None]
    tokens = each_choice(labels.tokens, size, own)
    cross = encoded(adapted, rows, frame, keys)
    hidden = _decoded(adapted, tokens, counted, cross, each_key(keys, classes))
    logprobs = jnp.where(counted, token_logprobs(adapted, hidden, tokens), 0.0)
    return without_absent(logprobs.sum(-1).reshape(size, classes), labels, rows.length)


def encoded(
    adapted: Adapted, rows: Rows, frame: PromptFrame, keys: jax.Array | None = None
) -> KeyValueMemory:
    """Cross-attention keys and values: of soft prompts, prefix, prompt and suffix."""
    nothing = jnp.zeros_like(rows.prompt_length)
    tokens, valid = closed(rows.tokens, rows.prompt_length, frame, nothing, 0)
    around = (frame.prefix_ids, frame.prefix_length)
    return cross_memory(adapted, encode_rows(adapted, tokens, valid, *around, keys=keys), keys)


def _decoded(
    adapted: Adapted,
    target: Array,
    valid: jax.Array,
    cross: KeyValueMemory,
    keys: jax.Array | None = None,
) -> jax.Array:
    """[B, L, D] before each token of `target` [B, L]; the decoder's input is shifted by one."""
    start_ids = jnp.full((len(target), 1), adapted.model.config.start_token, jnp.int32)
    tokens = jnp.concatenate([start_ids, target[:, :-1]], axis=1)
    memories, offset = adapted.layer_prefixes()
    positions = offset + jnp.arange(target.shape[1], dtype=jnp.int32)[None]
    positions = jnp.broadcast_to(positions, tokens.shape)
    hidden, _ = adapted.rows(tokens, valid, positions, memories, cross, keys)
    return hidden
