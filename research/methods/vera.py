"""VeRA: trained vectors around one pair of frozen random matrices that all layers share."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from research.common.errors import LARGEST, InputError, check_whole
from research.methods.lora import check_dropout
from research.methods.method import LayerCall, Leaves, Method, Words, traced_method
from research.methods.shared.dropout import dropout
from research.methods.shared.leaves import pad_to
from research.methods.shared.patterns import kernels_by_layer, target_layers
from research.models.layers.linear import flat_product


@traced_method("dropout")
@dataclass(frozen=True)
class VeRA(Method):
    """`y = x W + ((dropout(x) A * d) B) * b`, with trained d [R] and b [D_out] for each layer.

    Kopiczko et al. 2024 (arXiv 2310.11454), equation 2. A [D_in, R] and B [R, D_out] are frozen
    and drawn once, Kaiming uniform, for the widest of the adapted layers; narrower layers use
    their first rows of A and columns of B, as in PEFT. d starts at `initial`, b at zero, so step 0
    is the backbone. A and B follow from `projection_seed` alone, whatever the run's seed, so that
    only the vectors are stored.

    Learning rates: around the 4e-3 and 1e-2 of the authors for RoBERTa base.

    Attributes:
        rank: R; the authors have 1024 for RoBERTa base and 256 for RoBERTa large.
        initial: start of d.
        dropout: rate of dropout on x before A while training; None: no dropout.
        targets: patterns of the adapted layers' paths; None: query and value, or `qkv`.
        projection_seed: seed of A and B.
    """

    name: ClassVar[str] = "vera"
    family: ClassVar[str] = "lora"
    training_only: ClassVar[tuple[str, ...]] = (
        "rank",
        "initial",
        "dropout",
        "targets",
        "projection_seed",
    )
    learning_rates: ClassVar[tuple[float, ...]] = (3e-3, 1e-2, 3e-2)
    rank: int = 256
    initial: float = 0.1
    dropout: float | None = None
    targets: tuple[str, ...] | None = None
    projection_seed: int = 0

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """Raises InputError for invalid numbers and for a pattern that matches no layer."""
        del key, words
        check_whole("vera.rank", self.rank, most=LARGEST)
        check_whole("vera.projection_seed", self.projection_seed, least=0, most=LARGEST)
        check_dropout("vera.dropout", self.dropout)
        if not self.initial > 0:
            raise InputError("vera.initial", self.initial, "a number above 0 is expected")
        vectors: dict[str, Leaves] = {
            path: {"d": jnp.full(self.rank, self.initial), "b": jnp.zeros(width_out)}
            for path, (_, width_out) in self._shapes(params).items()
        }
        return {**self.redrawn(params), **vectors}

    def freezes(self, paths: Collection[str]) -> Iterable[str]:
        return [path for path in paths if path.endswith((":/matrix_a", ":/matrix_b"))]

    def stored(self, leaf: Leaves) -> Leaves:
        """The vectors; see `redrawn` for the matrices."""
        return {name: array for name, array in leaf.items() if not name.startswith("matrix_")}

    def redrawn(self, params: Leaves) -> dict[str, Leaves]:
        shapes = self._shapes(params).values()
        width_in, width_out = (max(widths) for widths in zip(*shapes, strict=True))
        first, second = jax.random.split(jax.random.PRNGKey(self.projection_seed))
        return {
            "": {
                "matrix_a": _kaiming_uniform(first, (width_in, self.rank)),
                "matrix_b": _kaiming_uniform(second, (self.rank, width_out)),
            }
        }

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        a, b = _matrices(leaf, x.shape[-1])
        inner = flat_product(dropout(x, self.dropout, site.keys), a)
        added = flat_product(inner * jnp.expand_dims(leaf["d"], range(x.ndim - 1)), b)
        return site.call(x) + added * jnp.expand_dims(leaf["b"], range(x.ndim - 1))

    def merge(self, leaf: Leaves, layer: Leaves) -> Leaves:
        a, b = _matrices(leaf, layer["kernel"].shape[0])
        return {**layer, "kernel": layer["kernel"] + a * leaf["d"][None] @ (b * leaf["b"][None])}

    def pad_for_serving(self, leaf: Leaves, shapes: Mapping[str, tuple[int, ...]]) -> Leaves:
        """With a larger rank, and matrices of wider layers, of which nothing is read."""
        return {name: pad_to(array, shapes[name]) for name, array in leaf.items()}

    def _shapes(self, params: Leaves) -> dict[str, tuple[int, int]]:
        """(D_in, D_out) of every adapted layer."""
        kernels = kernels_by_layer(params)
        layers = target_layers(self.targets, kernels, "vera.targets")
        return {layer: (kernels[layer].shape[0], kernels[layer].shape[1]) for layer in layers}


def _matrices(leaf: Leaves, width_in: int) -> tuple[jax.Array, jax.Array]:
    """The rows of A and the columns of B that a layer uses."""
    a, b = jnp.asarray(leaf["matrix_a"]), jnp.asarray(leaf["matrix_b"])
    return a[:width_in], b[:, : leaf["b"].shape[-1]]


def _kaiming_uniform(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """He et al. 2015 (arXiv 1502.01852), equation 10: variance 2 / inputs, drawn uniformly."""
    bound = (6 / shape[0]) ** 0.5
    return jax.random.uniform(key, shape, minval=-bound, maxval=bound)
