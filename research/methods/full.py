"""Full fine-tuning: every leaf of the backbone trains."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from research.methods.method import Method, traced_method


@traced_method()
@dataclass(frozen=True)
class Full(Method):
    """Trains the whole backbone and adds nothing.

    Learning rates: around the 2e-5 to 5e-5 of Devlin et al. 2019 (arXiv 1810.04805), appendix A.3,
    for 110M and 340M parameters; Gao et al. 2021 (arXiv 2012.15723) have 1e-5 to 5e-5 for 355M. In
    results/quickstart_reference, of 0.5M, dev chose 3e-4 and 3e-3.
    """

    name: ClassVar[str] = "full"
    family: ClassVar[str] = "full"
    learning_rates: ClassVar[tuple[float, ...]] = (1e-5, 3e-5, 1e-4)

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        return paths
