"""AdaLoRA: a low-rank update in the form of a singular value decomposition."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from research.common.errors import LARGEST, InputError, check_whole
from research.methods.lora import check_dropout
from research.methods.method import Array, LayerCall, Leaves, Method, Words, traced_method
from research.methods.shared.dropout import dropout
from research.methods.shared.leaves import pad_to, path_key
from research.methods.shared.patterns import kernels_by_layer, target_layers
from research.models.layers.linear import flat_product

DEVIATION = 0.02  # of the start of P and Q, as in the authors' code


@traced_method("alpha", "dropout", "orthogonality")
@dataclass(frozen=True)
class AdaLoRA(Method):
    """`y = x W + s dropout(x) P diag(v) Q`, P [D_in, R], v [R], Q [R, D_out] and s = alpha / R.

    Zhang et al. 2023 (arXiv 2303.10512), equation 3. The loss gains `orthogonality` times the sum
    over layers of |P^T P - I|^2 + |Q Q^T - I|^2 (equation 4; the authors' code and PEFT average
    norms that are not squared). v starts at zero, so step 0 is the backbone; P and Q start
    Gaussian. Every layer keeps the rank R: the paper's allocation of ranks by importance (section
    3.2) needs moving averages of gradients and is left out.

    Learning rates: around the 5e-4 to 2.2e-3 of the paper's appendix for GLUE.

    Attributes:
        rank: R.
        alpha: numerator of the scale s.
        dropout: rate of dropout on x before P while training; None: no dropout.
        targets: patterns of the adapted layers' paths; None: query and value, or `qkv`.
        orthogonality: weight of the penalty; published scripts have 0.1 to 0.3.
    """

    name: ClassVar[str] = "adalora"
    family: ClassVar[str] = "lora"
    training_only: ClassVar[tuple[str, ...]] = ("rank", "dropout", "targets", "orthogonality")
    learning_rates: ClassVar[tuple[float, ...]] = (3e-4, 1e-3, 3e-3)
    rank: int = 8
    alpha: float = 16.0
    dropout: float | None = None
    targets: tuple[str, ...] | None = None
    orthogonality: float = 0.1

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """Raises InputError for invalid numbers and for a pattern that matches no layer."""
        del words
        check_whole("adalora.rank", self.rank, most=LARGEST)
        if not 0 < self.alpha < math.inf:
            raise InputError("adalora.alpha", self.alpha, "a number above 0 is expected")
        if not 0 <= self.orthogonality < math.inf:
            allowed = "a number from 0 is expected"
            raise InputError("adalora.orthogonality", self.orthogonality, allowed)
        check_dropout("adalora.dropout", self.dropout)
        kernels = kernels_by_layer(params)
        return {
            path: self._factors(path_key(key, path), kernels[path])
            for path in target_layers(self.targets, kernels, "adalora.targets")
        }

    def penalty(self, added: dict[str, Leaves]) -> jax.Array:
        """`orthogonality` times the sum over layers of |P^T P - I|^2 + |Q Q^T - I|^2."""
        identity = jnp.eye(self.rank)
        distances = [
            jnp.square(gram - identity).sum()
            for leaf in added.values()
            for gram in (leaf["p"].T @ leaf["p"], leaf["q"] @ leaf["q"].T)
        ]
        return jnp.asarray(self.orthogonality) * jnp.stack(distances).sum()

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        p, q = jnp.asarray(leaf["p"]), jnp.asarray(leaf["q"])
        inner = flat_product(dropout(x, self.dropout, site.keys), p)
        scales = jnp.expand_dims(leaf["values"] * self._scale(leaf), range(x.ndim - 1))
        return site.call(x) + flat_product(inner * scales, q)

    def merge(self, leaf: Leaves, layer: Leaves) -> Leaves:
        scales = leaf["values"] * self._scale(leaf)
        return {**layer, "kernel": layer["kernel"] + leaf["p"] * scales[None] @ leaf["q"]}

    def pad_for_serving(self, leaf: Leaves, shapes: Mapping[str, tuple[int, ...]]) -> Leaves:
        """With a larger rank, which changes the scale too: the singular values make up for it."""
        wide: Leaves = {name: pad_to(array, shapes[name]) for name, array in leaf.items()}
        return {**wide, "values": wide["values"] * (self._scale(leaf) / self._scale(wide))}

    def _scale(self, leaf: Leaves) -> jax.Array:
        return jnp.asarray(self.alpha / leaf["p"].shape[-1], leaf["p"].dtype)

    def _factors(self, key: jax.Array, kernel: Array) -> Leaves:
        width_in, width_out = kernel.shape
        left, right = jax.random.split(key)
        return {
            "p": DEVIATION * jax.random.normal(left, (width_in, self.rank)),
            "values": jnp.zeros(self.rank),
            "q": DEVIATION * jax.random.normal(right, (self.rank, width_out)),
        }
