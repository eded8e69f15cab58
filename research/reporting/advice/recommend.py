"""Which approach to take on a task, from the cells of its column and what the user can afford."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.common.errors import InputError
from research.evaluation.baselines import CONSTANT
from research.reporting.advice.constraints import (
    Bound,
    Column,
    Constraints,
    bounds_of,
    cells_of,
    examples_of,
)
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.stats.best_group import LEVEL, not_different_from
from research.stats.intervals import MeanDifference
from research.stats.power import Spread


@dataclass(frozen=True)
class Candidate:
    """An approach compared with the recommended one.

    Attributes:
        cell: its cell of the table.
        missed: constraints that it violates.
        gap: its score minus that of the recommended approach.
        like: whether it satisfies the constraints and is not significantly different from the
            recommended approach.
        seeds: number of seeds that would show the measured difference with a power of 80 %; None
            where that is too many.
        items: the same for test items.
    """

    cell: ResultCell
    missed: tuple[Bound, ...] = ()
    gap: MeanDifference | None = None
    like: bool = False
    seeds: int | None = None
    items: int | None = None


@dataclass(frozen=True)
class Advice:
    """A recommendation for one task and regime.

    Attributes:
        column: (task, regime).
        examples: number of training examples.
        constraints: constraints of the user.
        recommended: None where no approach satisfies the constraints, or none that does is
            significantly better than a constant answer.
        pool: approaches of which the recommended one is the cheapest.
        sure: whether the pool holds the approaches whose intervals lie above the required score.
        constant: the baseline with a constant answer, if the best approach within the constraints
            is not significantly better.
        candidates: all approaches, the recommended one first.
        without: for each constraint, the approaches that violate it alone.
    """

    column: Column
    examples: int
    constraints: Constraints
    recommended: ResultCell | None
    pool: tuple[ResultCell, ...]
    sure: bool
    constant: ResultCell | None
    candidates: tuple[Candidate, ...]
    without: tuple[tuple[Bound, tuple[ResultCell, ...]], ...]

    @property
    def nearest(self) -> Candidate:
        """The approach that violates the fewest constraints, and those by the least."""

        def far(one: Candidate) -> tuple[int, float, float]:
            score = one.cell.score(one.cell.headline).score
            return len(one.missed), sum(b.distance(one.cell) for b in one.missed), -score

        return min(self.candidates, key=far)


def advise(grid: Grid, column: Column, constraints: Constraints) -> Advice:
    """Recommends an approach for the task and regime of a column.

    It is the cheapest approach that satisfies the constraints, is not significantly worse than the
    best of these (tests corrected for all pairs), and has a mean within the tolerance of the best.
    The tolerance keeps high variance alone from making a cheap approach the recommendation. If a
    score is required and intervals lie above it, the cheapest of those is recommended instead. An
    approach that is not significantly better than a constant answer is never recommended.

    Raises InputError for a constraint on a cost that no run has measured.
    """
    cells, bounds = cells_of(grid, column), bounds_of(constraints)
    for bound in bounds:
        if all(bound.excess(cell) is None for cell in cells):
            raise InputError(bound.name, bound.limit, f"no run on {column[0]} has measured it")
    missed = {c.key: tuple(b for b in bounds if not b.kept(c)) for c in cells}
    able = [cell for cell in cells if not missed[cell.key]]
    pool, sure, constant = _pool(able, cells, constraints)
    taken = min(pool, key=lambda c: (constraints.price(c), -_score(c)), default=None)
    found = _candidates(cells, able, taken, missed)
    without = tuple(
        (bound, tuple(c for c in cells if missed[c.key] == (bound,))) for bound in bounds
    )
    examples = examples_of(grid, column)
    return Advice(column, examples, constraints, taken, tuple(pool), sure, constant, found, without)


def _pool(
    able: Sequence[ResultCell], cells: Sequence[ResultCell], constraints: Constraints
) -> tuple[list[ResultCell], bool, ResultCell | None]:
    """(candidates, whether their intervals lie above the required score, the constant baseline that
    none is better than).
    """
    constant = [cell for cell in cells if cell.key[0] in CONSTANT]
    compared = [*(cell for cell in able if cell not in constant), *constant]
    trying = len(compared) - len(constant)
    if not trying:
        return [], False, None
    matrices = _matched(compared)
    means = [float(matrix.mean()) for matrix in matrices]
    best = int(np.argmax(means[:trying]))
    known = [True] * trying  # significantly different from every constant baseline
    for place in range(trying, len(compared)):
        like = not_different_from(matrices, place, LEVEL)
        if like[best] or means[place] > means[best]:
            return [], False, compared[place]
        known = [one and not same for one, same in zip(known, like, strict=False)]
    if constraints.score is not None:
        wanted = constraints.score
        surely = [c for c, k in zip(compared, known, strict=False) if k and _low(c) >= wanted]
        if surely:
            return surely, True, None
    level = not_different_from(matrices, best, LEVEL)
    within = [mean >= means[best] - constraints.tolerance - 1e-9 for mean in means]
    kept = zip(compared, known, level, within, strict=False)
    return [cell for cell, *all_of in kept if all(all_of)], False, None


def _candidates(
    cells: Sequence[ResultCell],
    able: Sequence[ResultCell],
    taken: ResultCell | None,
    missed: dict[tuple[str, str, str], tuple[Bound, ...]],
) -> tuple[Candidate, ...]:
    """The recommended approach, those not significantly different, those that are, and those that
    violate a constraint; each group by score.
    """
    if taken is None:
        found = [Candidate(cell, missed[cell.key]) for cell in cells]
        return tuple(sorted(found, key=lambda one: (len(one.missed), -_score(one.cell))))
    like = not_different_from(_matched(able), able.index(taken), LEVEL)
    alike = {cell.key for cell, same in zip(able, like, strict=True) if same}
    pairs = max(len(able) * (len(able) - 1) // 2, 1)
    matrices, found = _matched(cells), []
    for cell, matrix in zip(cells, matrices, strict=True):
        difference = matrix - matrices[cells.index(taken)]
        seeds, items = _needed(difference, LEVEL / pairs) if cell.key in alike else (None, None)
        gap = None if cell is taken else MeanDifference.of(difference)[0]
        one = Candidate(cell, missed[cell.key], gap, cell.key in alike, seeds, items)
        found.append(one)

    def place(one: Candidate) -> tuple[bool, bool, bool, float]:
        return one.cell is not taken, bool(one.missed), not one.like, -_score(one.cell)

    return tuple(sorted(found, key=place))


def _needed(difference: np.ndarray, level: float) -> tuple[int | None, int | None]:
    spread = Spread.of(difference)
    if spread is None or abs(spread.mean) < 1e-9:
        return None, None
    return spread.enough_seeds(level), spread.enough_items(level)


def _matched(cells: Sequence[ResultCell]) -> list[np.ndarray]:
    """Influence matrices [S, I] on the seeds that all share; InputError where they share none."""
    shared = set.intersection(*(set(cell.seeds) for cell in cells))
    if not shared:
        seeds = {cell.key[0]: cell.seeds for cell in cells}
        raise InputError("seeds", seeds, "approaches are compared on seeds that all of them have")
    return [
        cell.influence[cell.headline][[seed in shared for seed in cell.seeds]] for cell in cells
    ]


def _score(cell: ResultCell) -> float:
    return cell.score(cell.headline).score


def _low(cell: ResultCell) -> float:
    return cell.score(cell.headline).low
