"""Constraints on an approach, and by how much a cell violates them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from research.common.errors import InputError, check_choice, check_whole, choose_from
from research.reporting.format import byte_size, count, seconds
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid
from research.reporting.grid.measures import out_of_domain_score

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
    excess: Callable[[ResultCell], float | None]
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
            yield Bound(name, f"at most {text(limit)}", _above(field, limit), text, limit or 1.0)


def _above(field: str, limit: float) -> Callable[[ResultCell], float | None]:
    def excess(cell: ResultCell) -> float | None:
        cost = cell.cost(field)
        return None if cost is None else cost - limit

    return excess


def _score_bounds(constraints: Constraints) -> Iterator[Bound]:
    def below(
        limit: float, value: Callable[[ResultCell], float | None]
    ) -> Callable[..., float | None]:
        def excess(cell: ResultCell) -> float | None:
            score = value(cell)
            return None if score is None else limit - score

        return excess

    for name, limit, value in (
        ("score", constraints.score, lambda cell: cell.score().score),
        ("score out of domain", constraints.out_of_domain, out_of_domain_score),
    ):
        if limit is not None:
            yield Bound(name, f"at least {100 * limit:.1f}", below(limit, value), points)


def points(difference: float) -> str:
    """A difference of scores in percentage points."""
    return f"{100 * difference:.1f} points"


def columns_for(
    grid: Grid, constraints: Constraints, task: str | None = None
) -> list[tuple[str, str]]:
    """For each task, the column with the most training examples that the user has.

    All columns if the constraints name no number of examples. Raises InputError for an unknown
    task, and if every column needs more examples.
    """
    tasks = distinct(column[0] for column in grid.columns)
    if task is not None and task not in tasks:
        raise InputError("task", task, choose_from(tasks, task))
    sizes = {column: examples_of(grid, column) for column in grid.by_column()}
    columns = [column for column in sizes if task in (None, column[0])]
    if not columns:
        raise InputError("results", grid.name, "it has no finished cell")
    if constraints.examples is None:
        return columns
    small = [column for column in columns if sizes[column] <= constraints.examples]
    if not small:
        least = min(sizes[column] for column in columns)
        allowed = f"the smallest training set that was run has {least}; run a smaller one too"
        raise InputError("examples", constraints.examples, allowed)
    largest = {column[0]: column for column in sorted(small, key=sizes.__getitem__)}
    return [column for column in small if largest[column[0]] == column]


def cells_of(grid: Grid, column: tuple[str, str]) -> list[ResultCell]:
    """The tested cells of a column; only the complete ones if there are any.

    Cells with scores that are not finite are left out, unless there are no others.
    """
    tested = grid.tested_in(column)
    cells = [cell for cell in tested if not cell.broken] or tested
    return [cell for cell in cells if cell.complete] or cells


def examples_of(grid: Grid, column: tuple[str, str]) -> int:
    """The largest number of training examples in the column."""
    return max(run.n_train for cell in cells_of(grid, column) for run in cell.runs)


def compared_costs(grid: Grid) -> dict[str, tuple[str, Callable[[float], str]]]:
    """The costs by which the rows of a grid are compared; with several backbones theirs too."""
    return ALL_COSTS if grid.backbones else COSTS


def default_preference(grid: Grid) -> tuple[str, ...]:
    """The costs to keep low by default, in order of importance.

    With several backbones the first is the size of the whole model, since nothing is stored for a
    prompted backbone, however large.
    """
    return ("model_bytes", *PREFERENCE) if grid.backbones else PREFERENCE
