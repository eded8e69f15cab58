"""Where a family drops elements while it trains."""

import flax.linen as nn
from jax import Array


class Dropout(nn.Module):
    """A place of dropout. Alone it changes nothing: what meets the backbone with its methods knows
    the rate and the random keys (`research.methods.adapted`).
    """

    def __call__(self, inputs: Array) -> Array:
        return inputs

    def works(self) -> bool:
        """Whether a call drops anything now."""
        return False
