"""Generated texts, and the tokens that end them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.methods.method import Array


class Stop(NamedTuple):
    """The tokens that end a text.

    Attributes:
        ends: [E] ids; without any, every text has the maximum length.
        pad: [] the id of padding after a text.
    """

    ends: Array
    pad: Array

    def at(self, tokens: jax.Array) -> jax.Array:
        """[...] bool: which of `tokens` [...] end a text."""
        return jnp.isin(tokens, self.ends)


class Generated(NamedTuple):
    """Texts, one per row.

    Attributes:
        tokens: [B, N] with the end token, padded on the right.
        length: [B] tokens, the end token included; 0 in a row that is padding.
        score: [B] summed log-probability of the tokens under the model itself, whatever the
            temperature; with beams, divided by length ** length_penalty.
        steps: [] number of decoder steps.
    """

    tokens: Array
    length: Array
    score: Array
    steps: Array
