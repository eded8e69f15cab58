"""The user's constraints on an approach, and the costs that they are about."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from research.common.errors import InputError, check_choice, check_whole
from research.reporting.format import byte_size, count, seconds
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid

# Costs that can be constrained or preferred: its key for `ResultCell.cost`, its name, its format.
COSTS = {
    "stored_bytes": ("bytes stored", byte_size),
    "added_tokens": ("added tokens", count),
    "train_seconds": ("training seconds", seconds),
    "cache_bytes": ("bytes cached", byte_size),
    "trained_params": ("trained parameters", count),
}
# And those in which backbones differ.
ALL_COSTS = {
    "model_bytes": ("model bytes", byte_size),
    "milliseconds": ("milliseconds per answer", seconds),
    **COSTS,
}
PREFERENCE = ("stored_bytes", "added_tokens", "train_seconds")


@dataclass(frozen=True)
class Constraints:
    """Constraints of the user; None for no constraint.

    Attributes:
        examples: most training examples.
        stored_bytes: most bytes stored per task.
        train_seconds: most seconds of training for one run.
        added_tokens: most tokens added to each input.
        cache_bytes: most bytes of keys and values of a request.
        model_bytes: most bytes of all parameters at inference.
        milliseconds: most milliseconds to answer a test item.
        score: least mean score on test, as a fraction.
        out_of_domain: least mean score on the out-of-domain split, as a fraction.
        tasks: number of such tasks that share the backbone.
        tolerance: difference from the best mean that does not matter, as a fraction.
        prefer: costs in order of importance; approaches are compared by the first, equal ones by
            the second, and so on.

    Raises InputError for numbers out of range.
    """

    examples: int | None = None
    stored_bytes: float | None = None
    train_seconds: float | None = None
    added_tokens: float | None = None
    cache_bytes: float | None = None
    model_bytes: float | None = None
    milliseconds: float | None = None
    score: float | None = None
    out_of_domain: float | None = None
    tasks: int = 1
    tolerance: float = 0.01
    prefer: tuple[str, ...] = PREFERENCE

    def __post_init__(self) -> None:
        check_whole("tasks", self.tasks)
        if self.examples is not None:
            check_whole("examples", self.examples, least=0)
        for name in (*ALL_COSTS, "tolerance"):
            value = getattr(self, name, None)
            if value is not None and not 0 <= value < math.inf:
                raise InputError(name, value, "a number from 0 is expected")
        for name in ("score", "out_of_domain"):
            value = getattr(self, name)
            if value is not None and not -1 <= value <= 1:
                raise InputError(name, 100 * value, "a score in percent is expected")
        for name in self.prefer:
            check_choice("prefer", name, ALL_COSTS)

    def price(self, cell: ResultCell) -> tuple[float, ...]:
        """Sort key by cost; a cost that was not measured is the highest."""
        costs = [cell.cost(name) for name in self.prefer]
        return tuple(math.inf if cost is None else cost for cost in costs)


def compared_costs(grid: Grid) -> dict[str, tuple[str, Callable[[float], str]]]:
    """The costs by which the rows of a grid are compared; with several backbones theirs too."""
    return ALL_COSTS if grid.backbones else COSTS


def default_preference(grid: Grid) -> tuple[str, ...]:
    """The costs to keep low by default, in order of importance.

    With several backbones the first is the size of the whole model, since nothing is stored for a
    prompted backbone, however large.
    """
    return ("model_bytes", *PREFERENCE) if grid.backbones else PREFERENCE
