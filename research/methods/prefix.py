"""Prefix tuning: trained keys and values that stand before those of every layer."""

import re
from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp

from research.common.errors import LARGEST, check_whole
from research.methods.method import Array, Leaves, Method, Words, traced_method
from research.methods.shared.leaves import key_width


@traced_method()
@dataclass(frozen=True)
class PrefixTuning(Method):
    """`length` keys and values [L, P, G * K] for each of L layers; in T5 for those of the decoder.

    Li & Liang 2021 (arXiv 2101.00190), equation 3; in encoders it is P-tuning v2 (Liu et al. 2022,
    arXiv 2110.07602). Keys and values start Gaussian with deviation 0.02. The prefix takes the
    first `length` positions; keys are not rotated.

    Learning rates: the scripts of P-tuning v2 have 5e-3 to 1e-2; with an MLP, Li & Liang have 5e-5
    and 8e-5 (table 6).

    Attributes:
        length: P.
        hidden: M of the MLP of section 4.3, `tanh(E W_1 + b_1) W_2 + b_2` with E [P, D], W_1
            [D, M], W_2 [M, 2 * L * G * K], that makes keys and values while training and is not
            stored (the authors' code has 512 for GPT-2); E starts Gaussian, the others uniform in
            +-1/sqrt(their inputs), as there. None: no MLP.
    """

    name: ClassVar[str] = "prefix"
    family: ClassVar[str] = "soft"
    neutral: ClassVar[bool] = False
    peft_type: ClassVar[str | None] = "PREFIX_TUNING"
    learning_rates: ClassVar[tuple[float, ...]] = (1e-3, 3e-3, 1e-2)
    length: int = 20
    hidden: int | None = None

    def init(self, key: jax.Array, params: Leaves, words: Words) -> dict[str, Leaves]:
        """Raises InputError for sizes below 1."""
        del words
        for name, size in (("length", self.length), ("hidden", self.hidden)):
            if size is not None:
                check_whole(f"prefix.{name}", size, most=LARGEST)
        layer = r"(?:encoder/|decoder/)?layers_\d+/attention/(?:key|qkv|qkv_by_head)/kernel"
        kernels = [path for path in params if re.fullmatch(layer, path)]
        decoder = [path for path in kernels if path.startswith("decoder/")]
        kernels = decoder or kernels
        width = key_width(params, kernels[0].removesuffix("/kernel"))
        shape = (len(kernels), self.length, width)
        if self.hidden is not None:
            return {"": self._mlp(key, params["embed/embedding"].shape[1], self.hidden, shape)}
        first, second = jax.random.split(key)
        leaf: Leaves = {
            "keys": 0.02 * jax.random.normal(first, shape),
            "values": 0.02 * jax.random.normal(second, shape),
        }
        return {"": leaf}

    @property
    def positions(self) -> int:
        return self.length

    def memory(self, leaf: Leaves) -> tuple[Array, Array]:
        if "keys" in leaf:
            return leaf["keys"], leaf["values"]
        keys, values = _from_mlp(leaf)
        return keys, values

    def stored(self, leaf: Leaves) -> Leaves:
        return dict(zip(("keys", "values"), self.memory(leaf), strict=True))

    def _mlp(self, key: jax.Array, width: int, hidden: int, shape: tuple[int, ...]) -> Leaves:
        layers, length, out = shape
        drawn = jax.random.split(key, 5)

        def uniform(key: jax.Array, inputs: int, *shape: int) -> jax.Array:
            return jax.random.uniform(key, shape, minval=-(inputs**-0.5), maxval=inputs**-0.5)

        return {
            "table": jax.random.normal(drawn[0], (length, width)),
            "inner": uniform(drawn[1], width, width, hidden),
            "inner_bias": uniform(drawn[2], width, hidden),
            "outer": uniform(drawn[3], hidden, hidden, 2, layers, out),
            "outer_bias": uniform(drawn[4], hidden, 2, layers, out),
        }


def _from_mlp(leaf: Leaves) -> jax.Array:
    """Keys and values [2, L, P, G * K] from the MLP."""
    inner = jnp.tanh(leaf["table"] @ leaf["inner"] + leaf["inner_bias"][None])
    outer = jnp.einsum("pm,mcld->clpd", inner, leaf["outer"])
    return outer + leaf["outer_bias"][:, :, None]
