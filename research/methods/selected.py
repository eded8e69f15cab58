"""Partial fine-tuning: the leaves of the backbone that regular expressions pick."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from research.methods.full import Full
from research.methods.method import Method, traced_method
from research.methods.patterns import picked


@traced_method()
@dataclass(frozen=True)
class Selected(Method):
    """Trains the backbone leaves that one of `leaves` fits, the whole path or its end.

    So `layers_11/.*` is all of layer 11 and `embed/embedding` the table of tokens. The default is
    attention alone (Touvron et al. 2022, arXiv 2203.09795, section 4). Learning rates: ours, those
    of full fine-tuning.
    """

    name: ClassVar[str] = "selected"
    family: ClassVar[str] = "layers"
    learning_rates: ClassVar[tuple[float, ...]] = Full.learning_rates
    leaves: tuple[str, ...] = ("attention/.*",)

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        return picked(self.leaves, paths, "selected.leaves")
