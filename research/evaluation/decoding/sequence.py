"""One text per row: the most probable token at every step, or a sampled one."""

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
from research.evaluation.routes.row import pick
from research.methods.adapted import Adapted
from research.tasks.decoding import Decoding


class SequenceState(NamedTuple):
    """The state before a step.

    Attributes:
        step: [] number of steps done.
        cache: keys and values of the tokens so far.
        last: [B] each row's last token.
        ended: [B] bool, whether each row has ended.
        tokens: [B, N] the texts so far.
        length: [B] their tokens.
        score: [B] their summed log-probabilities.
        automaton: [B] the states of the automaton; None without one.
    """

    step: jax.Array
    cache: Cache
    last: jax.Array
    ended: jax.Array
    tokens: jax.Array
    length: jax.Array
    score: jax.Array
    automaton: jax.Array | None


def sequences(
    adapted: Adapted,
    start: DecodingStart,
    real: jax.Array,
    stop: Stop,
    decoding: Decoding,
    keys: jax.Array | None = None,
    automaton: TokenAutomaton | None = None,
) -> Generated:
    """A text for each of B rows, until all have ended. real: [B] bool, False for padding.

    keys: [B] one random key per row, for sampling; a draw depends on it and the step alone.
    automaton: of the pattern that every text must match.
    """
    size, most = len(start.token), decoding.max_new_tokens

    def any_open(state: SequenceState) -> jax.Array:
        return (state.step < most) & ~state.ended.all()

    def advance(state: SequenceState) -> SequenceState:
        logits, cache = decode_step(adapted, start, state.cache, state.last, state.step)
        left = without_repeats(logits, start.prompts, state.tokens, state.step, decoding)
        left = permitted(automaton, left, state.automaton, most - state.step)
        chosen = next_tokens(left, decoding, keys, state.step)
        written = jnp.where(state.ended, stop.pad, chosen)
        tokens = jax.lax.dynamic_update_slice_in_dim(
            state.tokens, written[:, None], state.step, axis=1
        )
        return SequenceState(
            state.step + 1,
            cache,
            written,
            state.ended | stop.at(chosen),
            tokens,
            state.length + ~state.ended,
            state.score + jnp.where(state.ended, 0.0, pick(logits, chosen)),
            next_states(automaton, state.automaton, chosen),
        )

    begun = SequenceState(
        step=jnp.zeros((), jnp.int32),
        cache=empty(adapted, start, 1, most),
        last=start.token,
        ended=~real,
        tokens=jnp.full((size, most), stop.pad, jnp.int32),
        length=jnp.zeros(size, jnp.int32),
        score=jnp.zeros(size, jnp.float32),
        automaton=first_states(automaton, (size,)),
    )
    end = jax.lax.while_loop(any_open, advance, begun)
    return Generated(end.tokens, end.length, end.score, end.step)


def next_tokens(
    logits: jax.Array, decoding: Decoding, keys: jax.Array | None, step: jax.Array
) -> jax.Array:
    """[B] int32: the next tokens of rows with `logits` [B, V]; without keys, the most probable."""
    if keys is None:
        return jnp.argmax(logits, axis=-1).astype(jnp.int32)
    here = jax.vmap(lambda key: jax.random.fold_in(key, step))(keys)
    return jax.vmap(jax.random.categorical)(here, filtered(logits, decoding)).astype(jnp.int32)


def filtered(logits: jax.Array, decoding: Decoding) -> jax.Array:
    """Logits [..., V] divided by the temperature, -inf for tokens that `top_k` or `top_p` excludes.

    The largest is 0, so that no temperature takes it out of range. A token as probable as the
    least probable included one is included too.
    """
    logits = (logits - logits.max(-1, keepdims=True)) / decoding.temperature
    if decoding.top_k is not None and decoding.top_k < logits.shape[-1]:
        least = jax.lax.top_k(logits, decoding.top_k)[0][..., -1:]
        logits = jnp.where(logits < least, -jnp.inf, logits)
    if decoding.top_p < 1.0:
        ordered = -jnp.sort(-logits, axis=-1)
        probability = jax.nn.softmax(ordered, axis=-1)
        before = jnp.cumsum(probability, axis=-1) - probability
        least = jnp.where(before < decoding.top_p, ordered, jnp.inf).min(-1, keepdims=True)
        logits = jnp.where(logits < least, -jnp.inf, logits)
    return logits
