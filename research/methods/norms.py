"""LayerNorm tuning: only the norms train."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from research.methods.method import Method, traced_method
from research.methods.shared.patterns import picked


@traced_method()
@dataclass(frozen=True)
class Norms(Method):
    """Trains scales and biases of all norms and adds nothing.

    Houlsby et al. 2019 (arXiv 1902.00751), section 3.4, "layer normalization parameters alone".
    Norms of query and key heads train too; that of a masked-LM head, which the paper's models do
    not have, stays frozen. Learning rates: around the 3e-4 of the code of Liu et al. 2022 (arXiv
    2205.05638), which has norms as a baseline.
    """

    name: ClassVar[str] = "norms"
    family: ClassVar[str] = "small"
    learning_rates: ClassVar[tuple[float, ...]] = (1e-4, 3e-4, 1e-3)

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        body = [path for path in paths if not path.startswith("head/")]
        return picked((r"(\w+_)?norm/(scale|bias)",), body, self.name)
