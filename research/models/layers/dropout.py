"""Places in a model where training applies dropout."""

import flax.linen as nn
from jax import Array


class Dropout(nn.Module):
    """A place of dropout, the identity by itself.

    `research.methods.adapted` has the rate and the random keys and intercepts its calls.
    """

    def __call__(self, inputs: Array) -> Array:
        return inputs

    def works(self) -> bool:
        """Whether a call applies dropout now."""
        return False
