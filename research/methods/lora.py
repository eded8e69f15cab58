"""LoRA: a low-rank update beside chosen kernels."""

import math
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from research.errors import InputError
from research.methods.dropout import dropout
from research.methods.method import Leaves, Method, Site, path_key, traced_method
from research.tasks.encoded import Labels


@traced_method("alpha", "dropout")
@dataclass(frozen=True)
class LoRA(Method):
    """`y = x W + (alpha / rank) dropout(x) A B`, A [D_in, R] and B [R, D_out].

    Hu et al. 2021 (arXiv 2106.09685), equation 3 and section 4.1. B starts at zero, so step 0 is
    the backbone. A starts as in the authors' code, uniform in +-1/sqrt(D_in) (the paper says
    Gaussian). `targets` are the last names of the adapted layers' paths; None stands for query and
    value, or for the one layer `qkv` that a backbone has in their place. The rank of a layer is
    that of its factors.
    """

    name: ClassVar[str] = "lora"
    rank: int = 8
    alpha: float = 16.0
    dropout: float | None = None
    targets: tuple[str, ...] | None = None

    def init(self, key: jax.Array, params: Leaves, labels: Labels) -> dict[str, Leaves]:
        """Raises InputError for numbers that make no LoRA and a target no layer bears."""
        del labels
        if self.rank < 1:
            raise InputError("lora.rank", self.rank, "a whole number from 1 is expected")
        if not 0 < self.alpha < math.inf:
            raise InputError("lora.alpha", self.alpha, "a number above 0 is expected")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            allowed = "a share from 0 to below 1, or None, is expected"
            raise InputError("lora.dropout", self.dropout, allowed)
        kernels = {p.removesuffix("/kernel"): k for p, k in params.items() if p.endswith("/kernel")}
        names = {path.rpartition("/")[2] for path in kernels}
        targets = self.targets
        if targets is None:
            targets = ("qkv",) if "qkv" in names else ("query", "value")
        for target in targets:
            if target not in names:
                raise InputError("lora.targets", target, f"the layers are {sorted(names)}")
        return {
            path: self._factors(path_key(key, path), *kernel.shape)
            for path, kernel in kernels.items()
            if path.rpartition("/")[2] in targets
        }

    def layer(self, leaf: Leaves, x: jax.Array, site: Site) -> jax.Array:
        dropped = dropout(x, self.dropout, site.keys)
        return site.call(x) + dropped @ leaf["a"] @ leaf["b"] * self._scale(leaf)

    def merge(self, leaf: Leaves, kernel: jax.Array) -> jax.Array:
        """The kernel [D_in, D_out] that gives the adapted layer without LoRA."""
        return kernel + leaf["a"] @ leaf["b"] * self._scale(leaf)

    def _scale(self, leaf: Leaves) -> jax.Array:
        return jnp.asarray(self.alpha / leaf["a"].shape[-1], leaf["a"].dtype)

    def _factors(self, key: jax.Array, width_in: int, width_out: int) -> Leaves:
        bound = width_in**-0.5
        return {
            "a": jax.random.uniform(key, (width_in, self.rank), minval=-bound, maxval=bound),
            "b": jnp.zeros((self.rank, width_out)),
        }
