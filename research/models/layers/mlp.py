"""The MLP of all model families, and its activations."""

from collections.abc import Callable
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from research.models.layers.dropout import Dropout
from research.models.layers.linear import linear


def gelu(x: Array) -> Array:
    """The exact GELU of Hendrycks and Gimpel 2016 (arXiv 1606.08415), by erf in float32.

    `nn.gelu` uses erfc, whose two branches took 5 % of a step of MiniLM on two cores.
    """
    wide = x.astype(jnp.float32)
    return (wide * (0.5 + 0.5 * jax.lax.erf(wide * 0.5**0.5))).astype(x.dtype)


def quick_gelu(x: Array) -> Array:
    """`x sigmoid(1.702 x)`, section 2 of the same paper."""
    return x * jax.nn.sigmoid(1.702 * x)


# By their names in transformers: `gelu_new` is the approximation of GELU by tanh, of which some
# others are faster forms.
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu_new": partial(nn.gelu, approximate=True),
    "gelu_fast": partial(nn.gelu, approximate=True),
    "gelu_pytorch_tanh": partial(nn.gelu, approximate=True),
    "gelu": gelu,
    "gelu_python": gelu,
    "quick_gelu": quick_gelu,
    "relu": nn.relu,
    "silu": nn.silu,
    "swish": nn.silu,
    "tanh": nn.tanh,
}


class MLP(nn.Module):
    """`down(activation(up(x)))`; gated: `down(activation(gate(x)) * up(x))`.

    The gated form is Shazeer 2020 (arXiv 2002.05202), equation 6.

    Attributes:
        hidden: width between the layers.
        activation: a function of `ACTIVATIONS`.
        gated: whether there is a layer `gate`.
        bias: whether the layers have a bias.
        fused: whether one layer `gate_up` computes gate and up (Phi-3).
    """

    hidden: int
    activation: Callable[[Array], Array]
    gated: bool
    bias: bool
    fused: bool = False

    @nn.compact
    def __call__(self, inputs: Array) -> Array:
        if self.fused:
            both = linear(2 * self.hidden, use_bias=self.bias, name="gate_up")(inputs)
            gate, up = jnp.split(both, 2, axis=-1)
        else:
            up = linear(self.hidden, use_bias=self.bias, name="up")(inputs)
            gate = None
            if self.gated:
                gate = linear(self.hidden, use_bias=self.bias, name="gate")(inputs)
        inner = self.activation(up) if gate is None else self.activation(gate) * up
        dropped = Dropout(name="drop")(inner)
        return linear(inputs.shape[-1], use_bias=self.bias, name="down")(dropped)
