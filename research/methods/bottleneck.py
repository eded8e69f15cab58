"""Bottleneck adapters: a small MLP after sublayers of the backbone."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from research.common.errors import LARGEST, InputError, check_whole
from research.methods.method import LayerCall, Leaves, Method, Words, traced_method
from research.methods.norms import Norms
from research.methods.shared.leaves import pad_to, path_key
from research.methods.shared.patterns import picked

# Last layers of the sublayers, before the residual is added.
AFTER = {"houlsby": ("attention/out", "cross/out", "mlp/down"), "pfeiffer": ("mlp/down",)}


@traced_method()
@dataclass(frozen=True)
class Bottleneck(Method):
    """`h + f(h W_1 + b_1) W_2 + b_2`, W_1 [D, M] and W_2 [M, D], for a sublayer's output h.

    f is GELU, as in the code of Houlsby et al.; b_1 and b_2 start at zero. Learning rates: those of
    Houlsby et al. on GLUE.

    Attributes:
        size: M.
        form: `houlsby`: after attention and MLP, and the norms train too (Houlsby et al. 2019,
            arXiv 1902.00751, section 2.1). `pfeiffer`: after the MLP alone (Pfeiffer et al. 2021,
            arXiv 2005.00247, section 3 and figure 3).
        deviation: standard deviation of the start of W_1 and W_2, Gaussian and truncated at two
            deviations: 1e-2 as in the paper (the code has 1e-3).
    """

    name: ClassVar[str] = "bottleneck"
    family: ClassVar[str] = "small"
    neutral: ClassVar[bool] = False
    training_only: ClassVar[tuple[str, ...]] = ("size", "form", "deviation")
    learning_rates: ClassVar[tuple[float, ...]] = (3e-5, 3e-4, 3e-3)
    size: int = 64
    form: Literal["houlsby", "pfeiffer"] = "houlsby"
    deviation: float = 1e-2

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """Raises InputError for a size below 1 and a deviation below 0."""
        del words
        check_whole("bottleneck.size", self.size, most=LARGEST)
        if not self.deviation >= 0:
            raise InputError("bottleneck.deviation", self.deviation, "a number from 0 is expected")
        kernels = {p.removesuffix("/kernel"): k for p, k in params.items() if p.endswith("/kernel")}
        present = [p for p in AFTER[self.form] if any(k.endswith(p) for k in kernels)]
        return {
            path: self._mlp(path_key(key, path), kernels[path].shape[1])
            for path in picked(present, kernels, "bottleneck.form")
        }

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        return Norms().trains(paths) if self.form == "houlsby" else ()

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        h = site.call(x)
        inner = jax.nn.gelu(h @ leaf["down"] + leaf["down_bias"][None, None], approximate=False)
        return h + inner @ leaf["up"] + leaf["up_bias"][None, None]

    def pad_for_serving(self, leaf: Leaves, shapes: Mapping[str, tuple[int, ...]]) -> Leaves:
        """With more inner activations, of which W_2 reads none."""
        return {name: pad_to(array, shapes[name]) for name, array in leaf.items()}

    def _mlp(self, key: jax.Array, width: int) -> Leaves:
        down, up = jax.random.split(key)
        return {
            "down": self._drawn(down, (width, self.size)),
            "down_bias": jnp.zeros(self.size),
            "up": self._drawn(up, (self.size, width)),
            "up_bias": jnp.zeros(width),
        }

    def _drawn(self, key: jax.Array, shape: tuple[int, int]) -> jax.Array:
        return self.deviation * jax.random.truncated_normal(key, -2.0, 2.0, shape)
