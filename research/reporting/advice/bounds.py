"""Bounds: by how much a cell violates each constraint."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from research.reporting.advice.constraints import ALL_COSTS, Constraints
from research.reporting.format import points
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.measures import out_of_domain_score

Measure = Callable[[ResultCell], float | None]  # None where the measure is missing


@dataclass(frozen=True)
class Bound:
    """One constraint.

    Attributes:
        name: name of the constrained measure, such as `bytes stored`.
        limit: the limit as text.
        excess: by how much a cell violates the limit; 0 or less if it satisfies it, None if the
            measure is missing.
        text: formats an excess.
        scale: divides an excess, to compare those of different measures.
    """

    name: str
    limit: str
    excess: Measure
    text: Callable[[float], str]
    scale: float = 1.0

    def satisfied(self, cell: ResultCell) -> bool:
        excess = self.excess(cell)
        return excess is not None and excess <= 1e-12

    def distance(self, cell: ResultCell) -> float:
        """The scaled excess of a cell, at least 0; infinite where the measure is missing."""
        excess = self.excess(cell)
        return math.inf if excess is None else max(excess, 0.0) / self.scale

    def describe(self, cell: ResultCell) -> str:
        """`bytes stored at most 1.0 kB missed by 2.0 kB`."""
        excess = self.excess(cell)
        by = "was not measured" if excess is None else f"missed by {self.text(excess)}"
        return f"{self.name} {self.limit} {by}"


def bounds_of(constraints: Constraints) -> list[Bound]:
    """All bounds except the number of examples, which determines the column."""
    return [*_cost_bounds(constraints), *_score_bounds(constraints)]


def _cost_bounds(constraints: Constraints) -> Iterator[Bound]:
    for field, (name, text) in ALL_COSTS.items():
        limit = getattr(constraints, field, None)
        if limit is not None:
            excess = _excess(lambda cell, field=field: cell.cost(field), limit, sign=1)
            yield Bound(name, f"at most {text(limit)}", excess, text, limit or 1.0)


def _score_bounds(constraints: Constraints) -> Iterator[Bound]:
    for name, limit, measure in (
        ("score", constraints.score, lambda cell: cell.score().score),
        ("score out of domain", constraints.out_of_domain, out_of_domain_score),
    ):
        if limit is not None:
            excess = _excess(measure, limit, sign=-1)
            yield Bound(name, f"at least {100 * limit:.1f}", excess, points)


def _excess(measure: Measure, limit: float, sign: int) -> Measure:
    """By how much a measure is above its limit, or below it where `sign` is -1."""

    def excess(cell: ResultCell) -> float | None:
        measured = measure(cell)
        return None if measured is None else sign * (measured - limit)

    return excess
