"""Freezing: only the last layers of the backbone train, with the final norm and an untied head."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from research.errors import InputError
from research.methods.method import Method, traced_method


@traced_method()
@dataclass(frozen=True)
class LastLayers(Method):
    """Trains the last `last` layers; embeddings, and a head tied to them, stay frozen.

    Source: Lee, Tang & Lin 2019, "What Would Elsa Do? Freezing Layers During Transformer
    Fine-Tuning" (arXiv 1911.03090), section 3.
    """

    name: ClassVar[str] = "last_layers"
    last: int = 1

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        """Raises InputError unless 1 <= last <= number of layers."""
        layer = {path: int(m[1]) for path in paths if (m := re.match(r"layers_(\d+)/", path))}
        depth = 1 + max(layer.values(), default=-1)
        if not 1 <= self.last <= depth:
            raise InputError("last_layers.last", self.last, f"the backbone has {depth} layers")
        top = {path for path, index in layer.items() if index >= depth - self.last}
        return top | {path for path in paths if path.startswith(("final_norm/", "head/"))}
