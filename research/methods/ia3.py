"""IA3: keys, values and the inner activations of MLPs are scaled by trained vectors."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from research.methods.method import LayerCall, Leaves, Method, Words, traced_method
from research.methods.shared.leaves import key_width
from research.methods.shared.patterns import pattern_matches


@traced_method()
@dataclass(frozen=True)
class IA3(Method):
    """`k = l_k (x W_k)`, `v = l_v (x W_v)` and `y = (l_ff f(x)) W_down`, by elements.

    Liu et al. 2022 (arXiv 2205.05638), section 3.3. The vectors start at one, so step 0 is the
    backbone. A decoder's cross-attention has its own, as in the authors' T-Few. Learning rates:
    around the 3e-3 of T-Few.
    Where one layer makes queries, keys and values head by head (GPT-NeoX), it scales queries too.
    """

    name: ClassVar[str] = "ia3"
    family: ClassVar[str] = "small"
    peft_type: ClassVar[str | None] = "IA3"
    learning_rates: ClassVar[tuple[float, ...]] = (1e-3, 3e-3, 1e-2)

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        del key, words
        added: dict[str, Leaves] = {}
        for path, kernel in params.items():
            layer, _, leaf = path.rpartition("/")
            if leaf != "kernel":
                continue
            if pattern_matches("key|value", layer):
                added[layer] = {"outputs": jnp.ones(kernel.shape[1])}
            elif pattern_matches("qkv", layer):
                added[layer] = {"outputs": jnp.ones(2 * key_width(params, layer))}
            elif pattern_matches("qkv_by_head", layer):  # queries too, as in PEFT
                added[layer] = {"outputs": jnp.ones(kernel.shape[1])}
            elif pattern_matches("mlp/down", layer):
                added[layer] = {"inputs": jnp.ones(kernel.shape[0])}
        return added

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        if "inputs" in leaf:
            return site.call(x * jnp.expand_dims(leaf["inputs"], range(x.ndim - 1)))
        outputs = site.call(x)
        return outputs * jnp.expand_dims(_scales(leaf, outputs.shape[-1]), range(x.ndim - 1))

    def merge(self, leaf: Leaves, layer: Leaves) -> Leaves:
        if "inputs" in leaf:
            return {**layer, "kernel": layer["kernel"] * leaf["inputs"][:, None]}
        scales = _scales(leaf, layer["kernel"].shape[1])
        scaled = {**layer, "kernel": layer["kernel"] * scales[None]}
        return scaled | ({"bias": layer["bias"] * scales} if "bias" in layer else {})


def _scales(leaf: Leaves, width: int) -> jax.Array:
    """[D_out]: of a layer that makes queries too, which come first, these are not scaled."""
    scales = jnp.asarray(leaf["outputs"])
    return jnp.pad(scales, (width - len(scales), 0), constant_values=1)
