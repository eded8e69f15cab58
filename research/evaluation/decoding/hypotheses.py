"""Scored texts of a beam search: their extension, choice and bounds."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.tasks.decoding import Decoding


class Hypotheses(NamedTuple):
    """K texts of each of B rows, the best first.

    Attributes:
        tokens: [B, K, N].
        score: [B, K]; -inf is no text at all.
        length: [B, K] tokens of each.
    """

    tokens: jax.Array
    score: jax.Array
    length: jax.Array


def candidates(
    beams: Hypotheses, logprobs: jax.Array, step: jax.Array, survivors: int
) -> tuple[Hypotheses, jax.Array, jax.Array]:
    """(the best extended beams, the index of the beam that each extends, its new token).

    Each is [B, survivors].

    Args:
        beams: the K beams of each row.
        logprobs: [B * K, V] of the next token of each beam, -inf for what may not follow.
        step: number of tokens so far.
        survivors: number of extended beams.
    """
    size, count = beams.score.shape
    logprobs = logprobs.reshape(size, count, -1)
    score = (beams.score[..., None] + logprobs).reshape(size, -1)
    score, index = jax.lax.top_k(score, survivors)
    beam, token = jnp.divmod(index, logprobs.shape[-1])
    tokens = jnp.take_along_axis(beams.tokens, beam[..., None], axis=1)
    tokens = jax.lax.dynamic_update_slice_in_dim(tokens, token[..., None], step, axis=2)
    return Hypotheses(tokens, score, jnp.full(score.shape, step + 1)), beam, token


def best(texts: Hypotheses, count: int) -> tuple[Hypotheses, jax.Array]:
    """(the `count` texts of each row with the best scores, their indices [B, count])."""
    score, order = jax.lax.top_k(texts.score, count)
    tokens = jnp.take_along_axis(texts.tokens, order[..., None], axis=1)
    return Hypotheses(tokens, score, jnp.take_along_axis(texts.length, order, axis=1)), order


def concatenated(first: Hypotheses, second: Hypotheses) -> Hypotheses:
    """The texts of both."""
    return Hypotheses(*(jnp.concatenate(pair, axis=1) for pair in zip(first, second, strict=True)))


def improvable(
    beams: Hypotheses, ended: Hypotheses, length: jax.Array, decoding: Decoding
) -> jax.Array:
    """[B] whether a beam of `length` tokens may end better than the worst text that is kept."""
    worst = ended.score.min(-1)
    if decoding.early_stopping is True:
        return worst == -jnp.inf
    # What is added is below 0; a penalty above 0 makes up for most of it in the longest text.
    longest = decoding.early_stopping == "never" and decoding.length_penalty > 0
    reached = jnp.asarray(decoding.max_new_tokens if longest else length, jnp.float32)
    return beams.score[:, 0] / reached**decoding.length_penalty > worst
