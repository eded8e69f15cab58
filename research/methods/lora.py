"""LoRA: a low-rank update beside chosen kernels."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from research.common.errors import LARGEST, InputError, check_whole
from research.methods.dropout import dropout
from research.methods.method import (
    LayerCall,
    Leaves,
    Method,
    Words,
    pad_to,
    path_key,
    traced_method,
)
from research.methods.patterns import pattern_matches, picked
from research.models.layers.attention import flat_product


@dataclass(frozen=True)
class RankOf:
    """The rank of the layers that a pattern picks."""

    layers: str
    rank: int


@traced_method("alpha", "dropout", "b_rate")
@dataclass(frozen=True)
class LoRA(Method):
    """`y = x W + s dropout(x) A B`, A [D_in, R], B [R, D_out] and s = alpha / R.

    Hu et al. 2021 (arXiv 2106.09685), equation 3 and section 4.1. B starts at zero, so step 0 is
    the backbone. A starts as in the authors' code, uniform in +-1/sqrt(D_in) (the paper says
    Gaussian). `targets` are patterns of the adapted layers' paths, mostly their last names; None
    stands for query and value, or for the one layer `qkv` that a backbone has in their place.
    ranks: of layers whose rank is another one; of several that fit, the first counts.
    stabilised: s = alpha / sqrt(R), rsLoRA (Kalajdzievski 2023, arXiv 2312.03732, theorem 3.2).
    b_rate: how many times the learning rate of A that of B is, LoRA+ (Hayou et al. 2024, arXiv
    2402.12354, section 4; the authors' scripts have 10 to 80).
    Learning rates: around the 2e-4 to 5e-4 of Hu et al., tables 9 and 11, for models of 0.1B and
    more; in results/quickstart_reference, of 0.5M, it is 3e-3 and 1e-2.
    """

    name: ClassVar[str] = "lora"
    settled: ClassVar[tuple[str, ...]] = ("rank", "dropout", "targets", "ranks", "b_rate")
    learning_rates: ClassVar[tuple[float, ...]] = (1e-4, 3e-4, 1e-3)
    rank: int = 8
    alpha: float = 16.0
    dropout: float | None = None
    targets: tuple[str, ...] | None = None
    ranks: tuple[RankOf, ...] = ()
    stabilised: bool = False
    b_rate: float | None = None

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """Raises InputError for numbers that make no LoRA and a pattern that fits no layer."""
        del words
        self._check()
        kernels = {p.removesuffix("/kernel"): k for p, k in params.items() if p.endswith("/kernel")}
        for of in self.ranks:
            picked((of.layers,), kernels, f"{self.name}.ranks")
        return {
            path: self._factors(path_key(key, path), kernels[path].shape, self._rank(path))
            for path in self._adapted(kernels)
        }

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        dropped = dropout(x, self.dropout, site.keys)
        return site.call(x) + self._added(leaf, dropped)

    def merge(self, leaf: Leaves, layer: Leaves) -> Leaves:
        return {**layer, "kernel": layer["kernel"] + leaf["a"] @ leaf["b"] * self._scale(leaf)}

    def widened(self, leaf: Leaves, shapes: Mapping[str, tuple[int, ...]]) -> Leaves:
        """With a larger rank, which changes the scale too: B makes up for it."""
        wide: Leaves = {name: pad_to(array, shapes[name]) for name, array in leaf.items()}
        return {**wide, "b": wide["b"] * (self._scale(leaf) / self._scale(wide))}

    def rate(self, path: str) -> float | None:
        return self.b_rate if path.endswith("/b") else None

    def _added(self, leaf: Leaves, x: jax.Array) -> jax.Array:
        a, b = jnp.asarray(leaf["a"]), jnp.asarray(leaf["b"])
        return flat_product(flat_product(x, a) * self._scale(leaf), b)

    def _check(self) -> None:
        for name, rank in (("rank", self.rank), *(("ranks", of.rank) for of in self.ranks)):
            check_whole(f"{self.name}.{name}", rank, most=LARGEST)
        for name, value in (("alpha", self.alpha), ("b_rate", self.b_rate)):
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{self.name}.{name}", value, "a number above 0 is expected")
        if self.dropout is not None and not 0 <= self.dropout < 1:
            allowed = "a share from 0 to below 1, or None, is expected"
            raise InputError(f"{self.name}.dropout", self.dropout, allowed)

    def _adapted(self, layers: Collection[str]) -> list[str]:
        targets = self.targets
        if targets is None:
            fused = any(pattern_matches("qkv", layer) for layer in layers)
            targets = ("qkv",) if fused else ("query", "value")
        return picked(targets, layers, f"{self.name}.targets")

    def _rank(self, layer: str) -> int:
        return next((of.rank for of in self.ranks if pattern_matches(of.layers, layer)), self.rank)

    def _scale(self, leaf: Leaves) -> jax.Array:
        rank = leaf["a"].shape[-1]
        over = math.sqrt(rank) if self.stabilised else rank
        return jnp.asarray(self.alpha / over, leaf["a"].dtype)

    def _factors(self, key: jax.Array, widths: tuple[int, ...], rank: int) -> Leaves:
        width_in, width_out = widths
        bound = width_in**-0.5
        return {
            "a": jax.random.uniform(key, (width_in, rank), minval=-bound, maxval=bound),
            "b": jnp.zeros((rank, width_out)),
        }
