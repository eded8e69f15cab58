"""No repeated n-grams in generated texts, as in transformers.

With `no_repeat_in_prompt` false the prompt is ignored, as in the code of LoRA's authors.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.evaluation.batch import PromptFrame, Rows
from research.methods.method import Array
from research.tasks.decoding import Decoding


class PromptIds(NamedTuple):
    """The ids before each generated text; soft prompts have none.

    Attributes:
        tokens: [B, P], padded on the left.
        length: [B] ids that are no padding.
    """

    tokens: Array
    length: Array


def prompt_ids(rows: Rows, frame: PromptFrame) -> PromptIds:
    """The ids of the prefix and then of each row's prompt, for a causal model."""
    prefix, size = frame.prefix_ids, len(rows.tokens)
    shared = jnp.broadcast_to(prefix, (size, len(prefix)))
    tokens = jnp.concatenate([shared, rows.tokens], axis=1)
    width = tokens.shape[1]
    length = frame.prefix_length + jnp.asarray(rows.prompt_length)
    # Index of each slot's id in the prompt; below 0 on padding.
    index = jnp.arange(width, dtype=jnp.int32)[None] - (width - length)[:, None]
    # The prefix has padding of its own, between its ids and the row's.
    skipped = jnp.where(index < frame.prefix_length, 0, len(prefix) - frame.prefix_length)
    return PromptIds(jnp.take_along_axis(tokens, jnp.maximum(index + skipped, 0), axis=1), length)


def without_repeats(
    scores: jax.Array, prompts: PromptIds, tokens: jax.Array, step: jax.Array, decoding: Decoding
) -> jax.Array:
    """Scores [R, V] of the next token of each text, -inf for tokens that would repeat an n-gram.

    Args:
        scores: [R, V] scores of the next token.
        prompts: of the B rows, each of which has R / B consecutive texts.
        tokens: [R, N] the texts, of which the first `step` tokens are generated.
        step: number of generated tokens.
        decoding: the decoding settings.
    """
    size = decoding.no_repeat_ngram_size
    if size is None:
        return scores
    first = jnp.zeros((len(tokens), 1), jnp.int32)  # the slot of each text's first id
    if decoding.no_repeat_in_prompt:
        width, texts = prompts.tokens.shape[1], len(tokens) // len(prompts.tokens)
        before = jnp.repeat(jnp.asarray(prompts.tokens), texts, axis=0)
        first = width - jnp.repeat(jnp.asarray(prompts.length), texts)[:, None]
        tokens, step = jnp.concatenate([before, tokens], axis=1), width + step
    slots = jnp.arange(tokens.shape[1], dtype=jnp.int32)[None]
    # Whether the tokens before each slot are the last ones of the text.
    same = (slots >= first + size - 1) & (slots < step)
    for back in range(1, size):
        last = jnp.take(tokens, jnp.maximum(step - back, 0), axis=1)
        same &= jnp.roll(tokens, back, axis=1) == last[:, None]
    barred = jnp.where(same, tokens, scores.shape[-1])  # beyond the last token: none
    return jax.vmap(lambda row, at: row.at[at].set(-jnp.inf, mode="drop"))(scores, barred)
