"""Partial fine-tuning: the leaves of the backbone that regular expressions pick."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from research.methods.full import Full
from research.methods.method import Method, traced_method
from research.methods.shared.patterns import picked


@traced_method()
@dataclass(frozen=True)
class Selected(Method):
    """Trains the backbone leaves that regular expressions pick.

    Learning rates: those of full fine-tuning.

    Attributes:
        leaves: patterns of whole paths or their ends: `layers_11/.*` is all of layer 11,
            `embed/embedding` the table of tokens. The default is attention alone (Touvron et al.
            2022, arXiv 2203.09795, section 4).
    """

    name: ClassVar[str] = "selected"
    family: ClassVar[str] = "layers"
    learning_rates: ClassVar[tuple[float, ...]] = Full.learning_rates
    leaves: tuple[str, ...] = ("attention/.*",)

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        return picked(self.leaves, paths, "selected.leaves")
