"""Constrained decoding: the tokens with which a text can still match a pattern, as lookups.

`research.evaluation.decoding.pattern` makes the automaton of a pattern.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.methods.method import Array

NEVER = 2**30  # the number of tokens from a state that reaches no end


class TokenAutomaton(NamedTuple):
    """The states of a text that must match a pattern, and the tokens that may follow in each.

    State 0 is that of the empty text. Tokens that lead from every state to the same state share a
    class, so that the table is small. Class 0 is that of tokens that never follow.

    Attributes:
        following: [S, C] the state after a token of each class; -1 where it may not follow. An end
            token may follow where the text matches; it leaves the state as it is.
        classes: [V] the class of each token.
        shortest: [S] the least number of tokens after which the text matches, without its end.
    """

    following: Array
    classes: Array
    shortest: Array


def first_states(automaton: TokenAutomaton | None, shape: tuple[int, ...]) -> jax.Array | None:
    """The states of empty texts; None without an automaton."""
    return None if automaton is None else jnp.zeros(shape, jnp.int32)


def permitted(
    automaton: TokenAutomaton | None,
    scores: jax.Array,
    states: jax.Array | None,
    left: jax.Array,
) -> jax.Array:
    """Scores [R, V], -inf for tokens that may not follow; unchanged without an automaton.

    A token may follow if the text can match within the tokens that are left after it, so that
    every text matches, also one of the maximum length.

    Args:
        automaton: of the pattern.
        scores: [R, V] scores of the next token.
        states: [R] the states of the texts.
        left: [] number of tokens that may still be generated, this one included.
    """
    if automaton is None:
        return scores
    after = jnp.asarray(automaton.following)[states].astype(jnp.int32)
    in_time = jnp.asarray(automaton.shortest)[jnp.maximum(after, 0)] < left
    classes = _of_all_tokens(automaton, scores.shape[-1])
    return jnp.where(((after >= 0) & in_time)[:, classes], scores, -jnp.inf)


def next_states(
    automaton: TokenAutomaton | None, states: jax.Array | None, tokens: jax.Array
) -> jax.Array | None:
    """The states [...] after `tokens` [...]; state 0 after a token that may not follow."""
    if automaton is None:
        return None
    classes = jnp.asarray(automaton.classes)[jnp.minimum(tokens, len(automaton.classes) - 1)]
    return jnp.maximum(jnp.asarray(automaton.following)[states, classes].astype(jnp.int32), 0)


def _of_all_tokens(automaton: TokenAutomaton, size: int) -> jax.Array:
    """The classes of a model's tokens [V], which may be more or fewer than the tokenizer's."""
    classes = jnp.asarray(automaton.classes)[:size]
    return jnp.pad(classes, (0, size - len(classes)))
