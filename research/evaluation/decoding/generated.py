"""What is generated, and where a text stops."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from research.methods.method import Array


class Stop(NamedTuple):
    """Which tokens end a text, and what stands behind it.

    ends: [E] ids; without any, a text has as many tokens as it may have. pad: [] the id of padding.
    """

    ends: Array
    pad: Array

    def at(self, tokens: jax.Array) -> jax.Array:
        """[...] bool: which of `tokens` [...] end a text."""
        return jnp.isin(tokens, self.ends)


class Generated(NamedTuple):
    """Texts, one per row.

    tokens: [B, N] with the end token, padded on the right. length: [B] tokens, the end token
    included; 0 in a row that is padding. score: [B] the summed log-probability of these tokens
    under the model itself, whatever the temperature; by beams, over length ** length_penalty.
    steps: [] how often the decoder ran.
    """

    tokens: Array
    length: Array
    score: Array
    steps: Array
