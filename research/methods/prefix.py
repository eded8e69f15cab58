"""Prefix tuning: trained keys and values that stand before those of every layer."""

import re
from dataclasses import dataclass
from typing import ClassVar

import jax

from research.errors import InputError
from research.methods.method import Array, Leaves, Method, traced_method
from research.tasks.encoded import Labels


@traced_method()
@dataclass(frozen=True)
class PrefixTuning(Method):
    """`length` keys and values [L, P, G * K] for each of L layers; in T5 for those of the decoder.

    Li & Liang 2021 (arXiv 2101.00190), equation 3, without the reparametrisation of section 4.3;
    in encoders it is P-tuning v2 (Liu et al. 2022, arXiv 2110.07602). Keys and values start
    Gaussian with deviation 0.02. They take the first `length` positions; keys are not rotated.
    """

    name: ClassVar[str] = "prefix"
    length: int = 20

    def init(self, key: jax.Array, params: Leaves, labels: Labels) -> dict[str, Leaves]:
        """Raises InputError for a length below 1."""
        del labels
        if self.length < 1:
            raise InputError("prefix.length", self.length, "a whole number from 1 is expected")
        stack = r"(?:decoder/)?layers_\d+/attention/"
        kernels = [p for p in params if re.fullmatch(stack + "(?:key|qkv)/kernel", p)]
        width = params[kernels[0]].shape[1] // (3 if "qkv" in kernels[0] else 1)
        shape = (len(kernels), self.length, width)
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
        return leaf["keys"], leaf["values"]
