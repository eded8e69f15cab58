"""The output of an encoder: a masked model, or that of a seq2seq model."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.methods.adapted import Adapted
from research.methods.method import Array
from research.models.layers.key_value_memory import KeyValueMemory


class EncoderOutput(NamedTuple):
    """Hidden states of rows at N positions, those of prompts and rows together.

    Attributes:
        hidden: [B, N, D].
        valid: [B, N] bool, False on padding.
        positions: [B, N].
        soft: number of positions of soft prompts, which come first.
        prompt_embeddings: number of positions before the rows' own tokens.
    """

    hidden: jax.Array
    valid: jax.Array
    positions: jax.Array
    soft: Array | int
    prompt_embeddings: int


def encode_rows(
    adapted: Adapted,
    tokens: Array,
    valid: jax.Array,
    opening: Array,
    length: Array,
    types: jax.Array | None = None,
    keys: jax.Array | None = None,
    first: bool = False,
) -> EncoderOutput:
    """Encodes rows with bidirectional attention, soft prompts and opening before every row.

    Args:
        adapted: the adapted backbone.
        tokens: [B, T].
        valid: [B, T] bool, False on padding.
        opening: [S] tokens.
        length: [] number of its tokens that are real.
        types: [B, T] segments of the tokens, for masked models; prompts have segment 0.
        keys: [B] one random key per row while training.
        first: return only hidden [B, 1, D] of the first position, for masked models.
    """
    size = len(tokens)
    row_embeddings = adapted.apply(tokens, method="embed", keys=keys)
    prompt, soft = adapted.prompt_embeddings(opening)
    before = len(prompt)
    shared = jnp.broadcast_to(prompt[None], (size, *prompt.shape))
    slots = jnp.arange(before + tokens.shape[1], dtype=jnp.int32)[None]
    prompt_valid = jnp.broadcast_to(slots[:, :before] < soft + length, (size, before))
    all_valid = jnp.concatenate([prompt_valid, valid], axis=1)
    order = jnp.where(slots < before, slots, slots - before + soft + length)
    embedded = jnp.concatenate([shared, row_embeddings], axis=1)
    if adapted.model.ROUTE == "seq2seq":
        positions = jnp.broadcast_to(order, all_valid.shape)
        hidden = adapted.apply(embedded, positions, all_valid, method="encode", keys=keys)
        return EncoderOutput(hidden, all_valid, positions, soft, before)
    memories, offset = adapted.layer_prefixes()
    positions = jnp.broadcast_to(offset + order, all_valid.shape)
    segments = None if types is None else jnp.pad(types, ((0, 0), (before, 0)))
    at = jnp.zeros((size, 1), jnp.int32) if first else None
    hidden = adapted.apply(embedded, positions, all_valid, segments, memories, keys=keys, at=at)
    return EncoderOutput(hidden, all_valid, positions, soft, before)


def pooled_states(adapted: Adapted, output: EncoderOutput) -> jax.Array:
    """[B, D]: the hidden states as the classification head of an encoder pools them."""
    if adapted.pool == "first":
        return adapted.apply(output.hidden, method="features")
    counted = output.valid & (jnp.arange(output.hidden.shape[1]) >= output.soft)[None]
    weights = counted.astype(jnp.float32)[..., None]
    return (output.hidden * weights).sum(axis=1) / weights.sum(axis=1)


def cross_memory(
    adapted: Adapted, output: EncoderOutput, keys: jax.Array | None = None
) -> KeyValueMemory:
    """Keys and values of a seq2seq model's encoder for cross-attention."""
    return adapted.apply(
        output.hidden, output.positions, output.valid, method="cross_memories", keys=keys
    )
