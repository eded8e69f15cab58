"""Norms: RMS norm (Zhang and Sennrich 2019, arXiv 1910.07467) and layer norm."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array


class OffsetRMSNorm(nn.Module):
    """An RMS norm whose output is multiplied by `offset + scale`, in float32.

    Gemma's offset is 1, so weight decay pulls its factors to 1 (Gemma Team 2024, arXiv 2403.08295).

    Attributes:
        epsilon: added to the mean square.
        offset: added to the scale.
    """

    epsilon: float
    offset: float

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        start = nn.initializers.constant(1.0 - self.offset)
        scale = self.param("scale", start, (inputs.shape[-1],))
        wide = inputs.astype(jnp.float32)
        normed = wide * jax.lax.rsqrt(jnp.mean(wide**2, axis=-1, keepdims=True) + self.epsilon)
        factors = self.offset + scale.astype(jnp.float32)
        shape = (1,) * (inputs.ndim - 1) + factors.shape
        return (normed * factors.reshape(shape)).astype(inputs.dtype)


def rms_norm(epsilon: float, offset: float, name: str | None = None) -> nn.Module:
    """An RMS norm with a leaf `scale`, to which `offset` is added."""
    return OffsetRMSNorm(epsilon, offset, name=name) if offset else nn.RMSNorm(epsilon, name=name)


def layer_norm(epsilon: float, name: str | None = None) -> nn.LayerNorm:
    """A layer norm that computes the variance as the mean squared deviation, as PyTorch does."""
    return nn.LayerNorm(epsilon, use_fast_variance=False, name=name)
