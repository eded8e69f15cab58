"""Beam search, with the choices that transformers makes.

Of the candidates that K beams and E end tokens give, the best max(2, 1 + E) * K are looked at, so
that K of them go on whatever ends. A candidate that ends is kept only if it is one of the best K
candidates of its step; at the last step these all end.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.evaluation.decoding.automaton import (
    TokenAutomaton,
    first_states,
    next_states,
    permitted,
)
from research.evaluation.decoding.cache import Cache, DecodingStart, decode_step, empty
from research.evaluation.decoding.generated import Generated, Stop
from research.evaluation.decoding.repeats import without_repeats
from research.methods.adapted import Adapted
from research.tasks.decoding import Decoding


class Hypotheses(NamedTuple):
    """K texts of each of B rows, the best first; a score of -inf is no text at all."""

    tokens: jax.Array  # [B, K, N]
    score: jax.Array  # [B, K]
    length: jax.Array  # [B, K]


class BeamState(NamedTuple):
    """Before step `step`: the cache of B * K beams, the beams themselves by their summed
    log-probability, their last tokens [B, K], the texts that have ended, which rows [B] could still
    get a better one, and the states [B, K] of the automaton (None without one).
    """

    step: jax.Array
    cache: Cache
    beams: Hypotheses
    last: jax.Array
    ended: Hypotheses
    open: jax.Array
    automaton: jax.Array | None


def beam_search(
    adapted: Adapted,
    start: DecodingStart,
    real: jax.Array,
    stop: Stop,
    decoding: Decoding,
    automaton: TokenAutomaton | None = None,
) -> Generated:
    """The best text for each of B rows. real: [B] bool, False for padding.

    automaton: of the pattern that every text must match.
    """
    size, most, count = len(start.token), decoding.max_new_tokens, decoding.num_beams
    survivors = max(2, 1 + len(stop.ends)) * count

    def any_open(state: BeamState) -> jax.Array:
        return (state.step < most) & state.open.any()

    def advance(state: BeamState) -> BeamState:
        length = state.step + 1
        logits, cache = decode_step(adapted, start, state.cache, state.last.reshape(-1), state.step)
        logprobs = without_repeats(
            jax.nn.log_softmax(logits),
            start.prompts,
            state.beams.tokens.reshape(size * count, most),
            state.step,
            decoding,
        )
        texts = jax.tree.map(jnp.ravel, state.automaton)
        logprobs = permitted(automaton, logprobs, texts, most - state.step)
        extended, beam, token = candidates(state.beams, logprobs, state.step, survivors)
        ends = stop.at(token) | (length == most)
        beams, order = best(
            extended._replace(score=jnp.where(ends, -jnp.inf, extended.score)), count
        )
        new = ends & (jnp.arange(survivors) < count)[None] & state.open[:, None]
        penalised = extended.score / length.astype(jnp.float32) ** decoding.length_penalty
        finished = extended._replace(score=jnp.where(new, penalised, -jnp.inf))
        ended, _ = best(concatenated(state.ended, finished), count)
        states = jax.tree.map(partial(jnp.take_along_axis, indices=beam, axis=1), state.automaton)
        states = next_states(automaton, states, token)
        return BeamState(
            length,
            reordered(cache, jnp.take_along_axis(beam, order, axis=1)),
            beams,
            jnp.take_along_axis(token, order, axis=1),
            ended,
            state.open & improvable(beams, ended, length, decoding),
            jax.tree.map(partial(jnp.take_along_axis, indices=order, axis=1), states),
        )

    nothing = Hypotheses(
        jnp.full((size, count, most), stop.pad, jnp.int32),
        jnp.full((size, count), -jnp.inf, jnp.float32),
        jnp.zeros((size, count), jnp.int32),
    )
    begun = BeamState(
        step=jnp.zeros((), jnp.int32),
        cache=empty(adapted, start, count, most),
        # All beams are alike yet, so that one alone counts.
        beams=nothing._replace(score=nothing.score.at[:, 0].set(0.0)),
        last=jnp.repeat(start.token[:, None], count, axis=1),
        ended=nothing,
        open=real,
        automaton=first_states(automaton, (size, count)),
    )
    end = jax.lax.while_loop(any_open, advance, begun)
    first = Hypotheses(*(field[:, 0] for field in end.ended))
    return Generated(first.tokens, first.length, first.score, end.step)


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


def reordered(cache: Cache, beam: jax.Array) -> Cache:
    """The cache of the beams [B, K] that each row goes on with."""
    size, count = beam.shape
    rows = (count * jnp.arange(size)[:, None] + beam).reshape(-1)
    return jax.tree.map(lambda x: jnp.take(x, rows, axis=0), cache)


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
