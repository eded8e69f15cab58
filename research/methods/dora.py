"""DoRA: LoRA on the directions of a kernel's columns, with trained column lengths."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from research.methods.lora import LoRA
from research.methods.method import Array, LayerCall, Leaves, Words, traced_method
from research.methods.shared.dropout import dropout
from research.models.layers.linear import flat_product


@traced_method("alpha", "dropout", "b_rate")
@dataclass(frozen=True)
class DoRA(LoRA):
    """`y = m / |V| x V`, V = W + s A B, where |V| [D_out] are the lengths of V's columns.

    Liu et al. 2024 (arXiv 2402.09353), equation 5; the gradient does not go through |V| (section
    4.3, equation 11). m [D_out] starts as |W|, so step 0 is the backbone. Dropout on x applies to
    both the low-rank update and the change by the lengths, as in the authors' code. Settings are
    LoRA's. Learning rates: LoRA's; the authors' scripts have 1e-4 and 2e-4.
    """

    name: ClassVar[str] = "dora"

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        return {
            path: {**factors, "magnitude": _lengths(params[f"{path}/kernel"])}
            for path, factors in super().init(key, params, words).items()
        }

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        assert site.kernel is not None
        whole = super().merge(leaf, {"kernel": site.kernel})["kernel"]
        stretch = jnp.expand_dims(_stretch(leaf, whole).astype(x.dtype), range(x.ndim - 1))
        dropped = dropout(x, self.dropout, site.keys)
        projected = flat_product(dropped, site.kernel)
        added = self._update(leaf, dropped)
        return site.call(x) + (stretch - 1) * projected + stretch * added

    def merge(self, leaf: Leaves, layer: Leaves) -> Leaves:
        whole = super().merge(leaf, layer)["kernel"]
        stretched = jnp.asarray(whole) * _stretch(leaf, whole)[None].astype(whole.dtype)
        return {**layer, "kernel": stretched}


def _stretch(leaf: Leaves, whole: Array) -> jax.Array:
    """Factors [D_out] of the columns of V, in float32."""
    return jnp.asarray(leaf["magnitude"], jnp.float32) / jax.lax.stop_gradient(_lengths(whole))


def _lengths(kernel: Array) -> jax.Array:
    """Column lengths [D_out] of a kernel [D_in, D_out], in float32."""
    return jnp.sqrt(jnp.square(kernel.astype(jnp.float32)).sum(axis=0))
