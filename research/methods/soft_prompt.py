"""Soft prompt: trained embeddings that stand before every row."""

from dataclasses import dataclass
from typing import ClassVar

import jax

from research.errors import InputError
from research.methods.method import Array, Leaves, Method, traced_method
from research.tasks.encoded import Labels


@traced_method()
@dataclass(frozen=True)
class SoftPrompt(Method):
    """`length` trained vectors [P, D] in front of the embedded prefix and row.

    Lester et al. 2021 (arXiv 2104.08691), section 2; initialised from randomly drawn rows of the
    embedding table ("sampled vocabulary", section 3.2), which keeps the start on the manifold of
    real tokens.
    """

    name: ClassVar[str] = "soft_prompt"
    length: int = 20

    def init(self, key: jax.Array, params: Leaves, labels: Labels) -> dict[str, Leaves]:
        """Raises InputError for a length below 1."""
        del labels
        if self.length < 1:
            raise InputError("soft_prompt.length", self.length, "a whole number from 1 is expected")
        table = params["embed/embedding"]
        rows = jax.random.choice(key, table.shape[0], (self.length,))
        return {"": {"prompt": table[rows]}}

    @property
    def positions(self) -> int:
        return self.length

    def prefix(self, leaf: Leaves) -> Array:
        return leaf["prompt"]
