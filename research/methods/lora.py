"""LoRA: a trained low-rank update beside chosen kernels."""

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import jax
import jax.numpy as jnp

from research.common.errors import LARGEST, InputError, check_whole
from research.methods.method import Array, LayerCall, Leaves, Method, Words, traced_method
from research.methods.shared.dropout import dropout
from research.methods.shared.leaves import pad_to, path_key
from research.methods.shared.patterns import (
    kernels_by_layer,
    pattern_matches,
    picked,
    target_layers,
)
from research.models.layers.linear import flat_product


@dataclass(frozen=True)
class RankOf:
    """The rank of the layers that a pattern picks.

    Attributes:
        layers: pattern of the layers' paths.
        rank: their rank.
    """

    layers: str
    rank: int


@traced_method("alpha", "dropout", "b_rate")
@dataclass(frozen=True)
class LoRA(Method):
    """`y = x W + s dropout(x) A B`, A [D_in, R], B [R, D_out] and s = alpha / R.

    Hu et al. 2021 (arXiv 2106.09685), equation 3 and section 4.1.

    Learning rates: around the 2e-4 to 5e-4 of Hu et al., tables 9 and 11, for 125M parameters and
    more, and ten times those of full fine-tuning, as Schulman & Thinking Machines Lab 2025 find
    (doi 10.64434/tml.20250929). In results/quickstart_reference, of 0.5M, dev chose 3e-3 and 3e-2.

    Attributes:
        rank: R.
        alpha: numerator of the scale s.
        dropout: rate of dropout on x before A while training; None: no dropout.
        targets: patterns of the adapted layers' paths, mostly their last names; None: query and
            value, or the one layer `qkv` that a backbone has in their place.
        ranks: layers with another rank; of several patterns that match, the first counts.
        stabilised: s = alpha / sqrt(R), rsLoRA (Kalajdzievski 2023, arXiv 2312.03732, theorem 3.2).
        b_rate: factor on the learning rate of B, LoRA+ (Hayou et al. 2024, arXiv 2402.12354,
            section 4; the authors' scripts have 10 to 80); None: 1.
        start: `zero`: A uniform in +-1/sqrt(D_in), as in the authors' code (the paper says
            Gaussian), and B zero. `pissa`: A and B from the R largest singular values of W, PiSSA
            (Meng et al. 2024, arXiv 2404.02948, equations 2 to 4); the paper takes s A B out of W,
            here frozen copies A_0 and B_0 of the start are subtracted, `s x (A B - A_0 B_0)`, so
            that the backbone stays shared: twice the added products and stored bytes. With either,
            step 0 is the backbone.
    """

    name: ClassVar[str] = "lora"
    family: ClassVar[str] = "lora"
    training_only: ClassVar[tuple[str, ...]] = (
        "rank",
        "dropout",
        "targets",
        "ranks",
        "b_rate",
        "start",
    )
    peft_type: ClassVar[str | None] = "LORA"
    learning_rates: ClassVar[tuple[float, ...]] = (1e-4, 3e-4, 1e-3)
    rank: int = 8
    alpha: float = 16.0
    dropout: float | None = None
    targets: tuple[str, ...] | None = None
    ranks: tuple[RankOf, ...] = ()
    stabilised: bool = False
    b_rate: float | None = None
    start: Literal["zero", "pissa"] = "zero"

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """Raises InputError for invalid numbers and for a pattern that matches no layer."""
        del words
        self._check()
        kernels = kernels_by_layer(params)
        for group in self.ranks:
            picked((group.layers,), kernels, f"{self.name}.ranks")
        return {
            path: self._start(path_key(key, path), kernels[path], self._rank(path))
            for path in target_layers(self.targets, kernels, f"{self.name}.targets")
        }

    def freezes(self, paths: Collection[str]) -> Iterable[str]:
        return [path for path in paths if path.endswith(("/start_a", "/start_b"))]

    def rate(self, path: str) -> float | None:
        return self.b_rate if path.endswith("/b") else None

    def layer(self, leaf: Leaves, x: jax.Array, site: LayerCall) -> jax.Array:
        return site.call(x) + self._update(leaf, dropout(x, self.dropout, site.keys))

    def merge(self, leaf: Leaves, layer: Leaves) -> Leaves:
        scale, kernel = self._scale(leaf), layer["kernel"]
        if "start_a" in leaf:
            kernel = kernel - leaf["start_a"] @ leaf["start_b"] * scale
        return {**layer, "kernel": kernel + leaf["a"] @ leaf["b"] * scale}

    def pad_for_serving(self, leaf: Leaves, shapes: Mapping[str, tuple[int, ...]]) -> Leaves:
        """With a larger rank, which changes the scale too: B makes up for it."""
        wide: Leaves = {name: pad_to(array, shapes[name]) for name, array in leaf.items()}
        ratio = self._scale(leaf) / self._scale(wide)
        return {n: x * ratio if n in ("b", "start_b") else x for n, x in wide.items()}

    def _update(self, leaf: Leaves, x: jax.Array) -> jax.Array:
        """The low-rank update [B, T, D_out] of the layer's output."""
        added = self._product(leaf, x, "a", "b")
        return added - self._product(leaf, x, "start_a", "start_b") if "start_a" in leaf else added

    def _product(self, leaf: Leaves, x: jax.Array, first: str, second: str) -> jax.Array:
        a, b = jnp.asarray(leaf[first]), jnp.asarray(leaf[second])
        return flat_product(flat_product(x, a) * self._scale(leaf), b)

    def _check(self) -> None:
        for name, rank in (("rank", self.rank), *(("ranks", group.rank) for group in self.ranks)):
            check_whole(f"{self.name}.{name}", rank, most=LARGEST)
        for name, value in (("alpha", self.alpha), ("b_rate", self.b_rate)):
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{self.name}.{name}", value, "a number above 0 is expected")
        check_dropout(f"{self.name}.dropout", self.dropout)

    def _rank(self, layer: str) -> int:
        ranks = (group.rank for group in self.ranks if pattern_matches(group.layers, layer))
        return next(ranks, self.rank)

    def _scale(self, leaf: Leaves) -> jax.Array:
        rank = leaf["a"].shape[-1]
        divisor = math.sqrt(rank) if self.stabilised else rank
        return jnp.asarray(self.alpha / divisor, leaf["a"].dtype)

    def _start(self, key: jax.Array, kernel: Array, rank: int) -> Leaves:
        width_in, width_out = kernel.shape
        if self.start == "pissa":
            return self._principal(kernel, rank)
        bound = width_in**-0.5
        return {
            "a": jax.random.uniform(key, (width_in, rank), minval=-bound, maxval=bound),
            "b": jnp.zeros((rank, width_out)),
        }

    def _principal(self, kernel: Array, rank: int) -> Leaves:
        """Factors with s A B = U_R S_R V_R^T, for W = U S V^T, and their frozen copies."""
        if rank > min(kernel.shape):
            allowed = f"a kernel of shape {kernel.shape} has {min(kernel.shape)} singular values"
            raise InputError(f"{self.name}.rank", rank, allowed)
        left, values, right = jnp.linalg.svd(jnp.asarray(kernel, jnp.float32), full_matrices=False)
        a = left[:, :rank]
        root = jnp.sqrt(values[:rank] / self._scale({"a": a}))
        a, b = a * root[None], root[:, None] * right[:rank]
        return {"a": a, "b": b, "start_a": a, "start_b": b}


def check_dropout(field: str, rate: float | None) -> None:
    """Raises InputError for a rate that is neither None nor from 0 to below 1."""
    if rate is not None and not 0 <= rate < 1:
        raise InputError(field, rate, "a share from 0 to below 1, or None, is expected")
