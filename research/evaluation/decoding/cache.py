"""The cache of generation: keys and values of the prompts, and a buffer for new tokens."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.decoding.repeats import PromptIds, prompt_ids
from research.evaluation.routes.causal import row_states
from research.evaluation.routes.seq2seq import encoded
from research.methods.adapted import Adapted
from research.models.layers.key_value_memory import KeyValueMemory


class DecodingStart(NamedTuple):
    """The state of the decoder before the first generated token.

    Attributes:
        token: [B] its first input: the last token of the prompt, or a seq2seq model's start token.
        position: [B] the position of that token.
        memories: keys and values of the tokens before it.
        cross: keys and values of the encoder's output; None for a causal model.
        prompts: the ids that the decoder has read, and `token` last; for n-grams of the prompt.
    """

    token: jax.Array
    position: jax.Array
    memories: tuple[KeyValueMemory, ...]
    cross: KeyValueMemory | None
    prompts: PromptIds


class Cache(NamedTuple):
    """Keys and values of the tokens since the start, one [R, N, G, K] per layer each."""

    keys: tuple[jax.Array, ...]
    values: tuple[jax.Array, ...]


def read_prompts(adapted: Adapted, rows: Rows, frame: PromptFrame) -> DecodingStart:
    """Runs the prompts through the model, except for the last token of a causal model's.

    The prefix that all rows share is computed at batch one. Targets are ignored.
    """
    size = len(rows.tokens)
    if adapted.model.ROUTE == "seq2seq":
        memories, offset = adapted.layer_prefixes()
        token = jnp.full(size, adapted.model.config.start_token, jnp.int32)
        cross = encoded(adapted, rows, frame)
        prompts = PromptIds(token[:, None], jnp.ones(size, jnp.int32))
        return DecodingStart(token, jnp.full(size, offset), memories, cross, prompts)
    memories, offset = adapted.prefix(frame.prefix_ids, frame.prefix_length)
    last = jnp.maximum(rows.prompt_length - 1, 0)
    _, prompts = row_states(adapted, rows.tokens, last, memories, offset)
    token = jnp.take_along_axis(rows.tokens, last[:, None], axis=1)[:, 0]
    ids = prompt_ids(rows, frame)
    return DecodingStart(token, offset + last, (*memories, prompts), None, ids)


def empty(adapted: Adapted, start: DecodingStart, beams: int, size: int) -> Cache:
    """A cache for `size` tokens of each of `beams` sequences per row of `start`."""

    def step_memory() -> KeyValueMemory:
        alone = start.token[:, None]
        valid, positions = jnp.ones(alone.shape, bool), start.position[:, None]
        return adapted.rows(alone, valid, positions, start.memories, start.cross)[1]

    def slots(kind: jax.ShapeDtypeStruct) -> jax.Array:
        rows, _, heads, width = kind.shape
        return jnp.zeros((rows * beams, size, heads, width), kind.dtype)

    memory = jax.eval_shape(step_memory)
    return jax.tree.map(slots, Cache(memory.keys, memory.values))


def decode_step(
    adapted: Adapted, start: DecodingStart, cache: Cache, token: jax.Array, step: jax.Array
) -> tuple[jax.Array, Cache]:
    """(logits [R, V] of the token after `token` [R], the cache with `token` in slot `step`).

    Each of the B rows of `start` has R / B consecutive sequences.
    """
    count, size = len(token), cache.keys[0].shape[1]
    begins = jnp.repeat(start.position, count // len(start.position))[:, None]
    slots = jnp.arange(size, dtype=jnp.int32)[None]
    written = jnp.broadcast_to(slots < step, (count, size))
    before = KeyValueMemory(cache.keys, cache.values, written, begins + slots)
    hidden, memory = adapted.rows(
        token[:, None],
        jnp.ones((count, 1), bool),
        begins + step,
        (*start.memories, before),
        start.cross,
    )

    def write(whole: jax.Array, new: jax.Array) -> jax.Array:
        return jax.lax.dynamic_update_slice_in_dim(whole, new, step, axis=1)

    return adapted.logits(hidden[:, 0]), jax.tree.map(
        write, cache, Cache(memory.keys, memory.values)
    )
