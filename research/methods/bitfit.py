"""BitFit: only the biases of the backbone train."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from research.common.errors import InputError
from research.methods.method import Method, traced_method


@traced_method()
@dataclass(frozen=True)
class BitFit(Method):
    """Trains every bias, those of norms among them, and adds nothing.

    Ben Zaken, Goldberg & Ravfogel 2022 (arXiv 2106.10199), section 3. Those of a masked-LM head,
    which the paper's models do not have, stay frozen. Learning rates: around the 1e-3 of the
    authors' code.
    """

    name: ClassVar[str] = "bitfit"
    family: ClassVar[str] = "small"
    learning_rates: ClassVar[tuple[float, ...]] = (3e-4, 1e-3, 3e-3)

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        """Raises InputError for a backbone without biases, such as Llama and T5."""
        biases = [path for path in paths if path.endswith("/bias") and not path.startswith("head/")]
        if not biases:
            raise InputError("method", self.name, "the backbone has no biases to train")
        return biases
