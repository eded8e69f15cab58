"""Freezing: only the last layers of the backbone train, with the norm and head above them."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from research.common.errors import InputError
from research.methods.method import Method, traced_method

LAYER = r"(|encoder/|decoder/)layers_(\d+)/"
# Modules after the last layer.
ABOVE = r"(|encoder/|decoder/)(final_norm|head|pooler)/"


@traced_method()
@dataclass(frozen=True)
class LastLayers(Method):
    """Trains the last layers, of encoder and decoder each, and the norm and head above them.

    Embeddings, and a head tied to them, stay frozen.

    Source: Lee, Tang & Lin 2019, "What Would Elsa Do? Freezing Layers During Transformer
    Fine-Tuning" (arXiv 1911.03090), section 3. Learning rates: ours, three times those of full
    fine-tuning; where both were tuned (results/), dev chose three to ten times as much.

    Attributes:
        last: number of layers that train in each stack.
    """

    name: ClassVar[str] = "last_layers"
    family: ClassVar[str] = "layers"
    learning_rates: ClassVar[tuple[float, ...]] = (3e-5, 1e-4, 3e-4)
    last: int = 1

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        """Raises InputError unless 1 <= last <= number of layers of the smallest stack."""
        layer_of = {path: m.groups() for path in paths if (m := re.match(LAYER, path))}
        depths: dict[str, int] = {}
        for stack, index in layer_of.values():
            depths[stack] = max(depths.get(stack, 0), int(index) + 1)
        depth = min(depths.values(), default=0)
        if not 1 <= self.last <= depth:
            raise InputError("last_layers.last", self.last, f"the backbone has {depth} layers")
        top = {path for path, (stack, i) in layer_of.items() if int(i) >= depths[stack] - self.last}
        return top | {path for path in paths if re.match(ABOVE, path)}
