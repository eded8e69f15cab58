"""Beam search, with the choices that transformers makes.

Of the candidates that K beams and E end tokens give, the best max(2, 1 + E) * K are looked at, so
that K of them go on whatever ends. A candidate that ends is kept only if it is one of the best K
candidates of its step; at the last step these all end.
"""

from dataclasses import dataclass
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
from research.evaluation.decoding.hypotheses import (
    Hypotheses,
    best,
    candidates,
    concatenated,
    improvable,
)
from research.evaluation.decoding.repeats import without_repeats
from research.methods.adapted import Adapted
from research.tasks.decoding import Decoding


class BeamState(NamedTuple):
    """The state before a step.

    Attributes:
        step: [] number of steps done.
        cache: keys and values of the B * K beams.
        beams: the beams, by their summed log-probability.
        last: [B, K] their last tokens.
        ended: the texts that have ended.
        open: [B] bool, whether a row could still get a better text.
        automaton: [B, K] the states of the automaton; None without one.
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
    search = BeamSearch(adapted, start, stop, decoding, automaton)
    end = jax.lax.while_loop(search.goes_on, search.advance, search.begin(real))
    first = Hypotheses(*(field[:, 0] for field in end.ended))
    return Generated(first.tokens, first.length, first.score, end.step)


@dataclass(frozen=True)
class BeamSearch:
    """The steps of a beam search.

    Attributes:
        adapted: the adapted backbone.
        start: the state of the decoder before the first token.
        stop: the ids that end a text.
        decoding: how texts are generated.
        automaton: of the pattern that every text must match; None for any text.
    """

    adapted: Adapted
    start: DecodingStart
    stop: Stop
    decoding: Decoding
    automaton: TokenAutomaton | None

    def begin(self, real: jax.Array) -> BeamState:
        """The state before the first step; real: [B] bool, False for padding."""
        size, most, count = len(real), self.decoding.max_new_tokens, self.decoding.num_beams
        nothing = Hypotheses(
            jnp.full((size, count, most), self.stop.pad, jnp.int32),
            jnp.full((size, count), -jnp.inf, jnp.float32),
            jnp.zeros((size, count), jnp.int32),
        )
        return BeamState(
            step=jnp.zeros((), jnp.int32),
            cache=empty(self.adapted, self.start, count, most),
            # All beams are alike yet, so that one alone counts.
            beams=nothing._replace(score=nothing.score.at[:, 0].set(0.0)),
            last=jnp.repeat(self.start.token[:, None], count, axis=1),
            ended=nothing,
            open=real,
            automaton=first_states(self.automaton, (size, count)),
        )

    def goes_on(self, state: BeamState) -> jax.Array:
        """Whether there is another step."""
        return (state.step < self.decoding.max_new_tokens) & state.open.any()

    def advance(self, state: BeamState) -> BeamState:
        """The state after a step."""
        most, count = self.decoding.max_new_tokens, self.decoding.num_beams
        survivors = max(2, 1 + len(self.stop.ends)) * count
        length = state.step + 1
        logprobs, cache = self._next_logprobs(state)
        extended, beam, token = candidates(state.beams, logprobs, state.step, survivors)
        ends = self.stop.at(token) | (length == most)
        beams, order = best(
            extended._replace(score=jnp.where(ends, -jnp.inf, extended.score)), count
        )
        new = ends & (jnp.arange(survivors) < count)[None] & state.open[:, None]
        penalised = extended.score / length.astype(jnp.float32) ** self.decoding.length_penalty
        finished = extended._replace(score=jnp.where(new, penalised, -jnp.inf))
        ended, _ = best(concatenated(state.ended, finished), count)
        states = jax.tree.map(partial(jnp.take_along_axis, indices=beam, axis=1), state.automaton)
        states = next_states(self.automaton, states, token)
        return BeamState(
            step=length,
            cache=reordered(cache, jnp.take_along_axis(beam, order, axis=1)),
            beams=beams,
            last=jnp.take_along_axis(token, order, axis=1),
            ended=ended,
            open=state.open & improvable(beams, ended, length, self.decoding),
            automaton=jax.tree.map(partial(jnp.take_along_axis, indices=order, axis=1), states),
        )

    def _next_logprobs(self, state: BeamState) -> tuple[jax.Array, Cache]:
        """([B * K, V] of the next token of each beam, -inf where none may follow; the cache)."""
        most, last = self.decoding.max_new_tokens, state.last.reshape(-1)
        logits, cache = decode_step(self.adapted, self.start, state.cache, last, state.step)
        logprobs = without_repeats(
            jax.nn.log_softmax(logits),
            self.start.prompts,
            state.beams.tokens.reshape(len(last), most),
            state.step,
            self.decoding,
        )
        texts = jax.tree.map(jnp.ravel, state.automaton)
        return permitted(self.automaton, logprobs, texts, most - state.step), cache


def reordered(cache: Cache, beam: jax.Array) -> Cache:
    """The cache of the beams [B, K] that each row goes on with."""
    size, count = beam.shape
    rows = (count * jnp.arange(size)[:, None] + beam).reshape(-1)
    return jax.tree.map(lambda x: jnp.take(x, rows, axis=0), cache)
