"""Full fine-tuning: every leaf of the backbone trains."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from research.methods.method import Method, traced_method


@traced_method()
@dataclass(frozen=True)
class Full(Method):
    """Trains the whole backbone and adds nothing."""

    name: ClassVar[str] = "full"

    def trains(self, paths: Collection[str]) -> Iterable[str]:
        return paths
