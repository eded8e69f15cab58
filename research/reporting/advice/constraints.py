"""Constraints of the user, and by how much a cell violates them."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from research.common.errors import InputError, check_whole, choose_from
from research.reporting.format import byte_size, count, seconds
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid
from research.reporting.grid.measures import out_of_domain_score

# The costs that "cheap" can mean, by their names in the records.
COSTS = {
    "stored_bytes": ("bytes stored", byte_size),
    "added_tokens": ("added tokens", count),
    "train_seconds": ("training seconds", seconds),
    "cache_bytes": ("bytes cached", byte_size),
    "trained_params": ("trained parameters", count),
}


@dataclass(frozen=True)
class Constraints:
    """Constraints on an approach. None: no constraint.

    Attributes:
        examples: most training examples.
        stored_bytes: most bytes stored per task.
        train_seconds: most seconds of training for one run.
        added_tokens: most tokens added to each input.
        cache_bytes: most bytes of keys and values of a request.
        score: least mean score on test, as a fraction.
        out_of_domain: least mean score on the out-of-domain split, as a fraction.
        tasks: number of such tasks that share the backbone.
        tolerance: difference from the best mean that does not matter, as a fraction.
        prefer: costs in order of weight; the cheapest approach has the least of the first, among
            equals the least of the second, and so on.

    Raises InputError for numbers out of range.
    """

    examples: int | None = None
    stored_bytes: float | None = None
    train_seconds: float | None = None
    added_tokens: float | None = None
    cache_bytes: float | None = None
    score: float | None = None
    out_of_domain: float | None = None
    tasks: int = 1
    tolerance: float = 0.01
    prefer: tuple[str, ...] = ("stored_bytes", "added_tokens", "train_seconds")

    def __post_init__(self) -> None:
        check_whole("tasks", self.tasks)
        if self.examples is not None:
            check_whole("examples", self.examples, least=0)
        for name in (*COSTS, "tolerance"):
            value = getattr(self, name, None)
            if value is not None and not 0 <= value < math.inf:
                raise InputError(name, value, "a number from 0 is expected")
        for name in ("score", "out_of_domain"):
            value = getattr(self, name)
            if value is not None and not -1 <= value <= 1:
                raise InputError(name, 100 * value, "a score in percent is expected")
        for name in self.prefer:
            if name not in COSTS:
                raise InputError("prefer", name, choose_from(COSTS, name))

    def price(self, cell: ResultCell) -> tuple[float, ...]:
        """Sort key, the cheaper cell first; a cost that was not measured sorts last."""
        costs = [cell.cost(name) for name in self.prefer]
        return tuple(math.inf if cost is None else cost for cost in costs)


@dataclass(frozen=True)
class Bound:
    """name: what is bounded, such as `bytes stored`. limit: as a text. excess: how far a cell
    is beyond it; 0 or less where it is kept, None where it was not measured. text: a value. scale:
    what an excess is large or small against.
    """

    name: str
    limit: str
    excess: Callable[[ResultCell], float | None]
    text: Callable[[float], str]
    scale: float = 1.0

    def kept(self, cell: ResultCell) -> bool:
        excess = self.excess(cell)
        return excess is not None and excess <= 1e-12

    def distance(self, cell: ResultCell) -> float:
        """How far beyond it a cell is, for its size; infinite where that was not measured."""
        excess = self.excess(cell)
        return math.inf if excess is None else max(excess, 0.0) / self.scale

    def missed(self, cell: ResultCell) -> str:
        """By how much a cell misses it, as a phrase."""
        excess = self.excess(cell)
        by = "was not measured" if excess is None else f"missed by {self.text(excess)}"
        return f"{self.name} {self.limit} {by}"


def bounds_of(constraints: Constraints) -> list[Bound]:
    """All bounds but the number of examples, which chooses the column."""
    return [*_costs(constraints), *_scores(constraints)]


def _costs(constraints: Constraints) -> Iterator[Bound]:
    for name, (words, text) in COSTS.items():
        limit = getattr(constraints, name, None)
        if limit is not None:
            yield Bound(words, f"at most {text(limit)}", _above(name, limit), text, limit or 1.0)


def _above(name: str, limit: float) -> Callable[[ResultCell], float | None]:
    def excess(cell: ResultCell) -> float | None:
        cost = cell.cost(name)
        return None if cost is None else cost - limit

    return excess


def _scores(constraints: Constraints) -> Iterator[Bound]:
    def below(
        limit: float, value: Callable[[ResultCell], float | None]
    ) -> Callable[..., float | None]:
        def excess(cell: ResultCell) -> float | None:
            score = value(cell)
            return None if score is None else limit - score

        return excess

    for words, limit, value in (
        ("score", constraints.score, lambda cell: cell.score(cell.headline).score),
        ("score out of domain", constraints.out_of_domain, out_of_domain_score),
    ):
        if limit is not None:
            yield Bound(words, f"at least {100 * limit:.1f}", below(limit, value), points)


def points(difference: float) -> str:
    """Of a difference of scores, in points of percent."""
    return f"{100 * difference:.1f} points"


Column = tuple[str, str]  # task, regime


def columns_for(grid: Grid, constraints: Constraints, task: str | None = None) -> list[Column]:
    """Of each task the column with the most examples that the user has; all, if that is not said.

    Raises InputError for a task that is not there, and where each column takes more examples.
    """
    tasks = distinct(column[0] for column in grid.columns)
    if task is not None and task not in tasks:
        raise InputError("task", task, choose_from(tasks, task))
    sizes = {column: examples_of(grid, column) for column in grid.columns if cells_of(grid, column)}
    asked = [column for column in sizes if task in (None, column[0])]
    if not asked:
        raise InputError("results", grid.name, "no cell of it is finished")
    if constraints.examples is None:
        return asked
    within = [column for column in asked if sizes[column] <= constraints.examples]
    if not within:
        least = min(sizes[column] for column in asked)
        allowed = f"this is what binds: the least that was run is {least}; run that regime too"
        raise InputError("examples", constraints.examples, allowed)
    most = {column[0]: column for column in sorted(within, key=sizes.__getitem__)}
    return [column for column in within if most[column[0]] == column]


def cells_of(grid: Grid, column: Column) -> list[ResultCell]:
    """The tested cells of a column, those that are complete if there are any."""
    found = [cell for row in grid.rows if (cell := grid.cell(row, column)) is not None]
    return [cell for cell in found if cell.complete] or found


def examples_of(grid: Grid, column: Column) -> int:
    """The most that a cell of the column was trained on."""
    return max(run.n_train for cell in cells_of(grid, column) for run in cell.runs)
