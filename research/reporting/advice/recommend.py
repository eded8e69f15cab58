"""Recommends an approach for a task, from the cells of its column and the constraints."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.common.errors import InputError
from research.evaluation.baselines import CONSTANT
from research.reporting.advice.bounds import Bound, bounds_of
from research.reporting.advice.candidates import (
    Candidate,
    candidates_for,
    headline_score,
    matched_influences,
)
from research.reporting.advice.columns import cells_of, examples_of
from research.reporting.advice.constraints import COSTS, Constraints, compared_costs
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.stats.best_group import LEVEL, not_different_from


@dataclass(frozen=True)
class Advice:
    """A recommendation for one task and regime.

    Attributes:
        column: (task, regime).
        examples: number of training examples.
        constraints: constraints of the user.
        recommended: none where no approach satisfies the constraints, or none that does is
            significantly better than a constant answer.
        pool: approaches of which the recommended one is the cheapest.
        sure: whether the pool holds the approaches whose intervals lie above the required score.
        constant: the baseline with a constant answer, if the best approach within the constraints
            is not significantly better.
        candidates: all approaches, the recommended one first.
        without: for each constraint, the approaches that violate it alone.
        costs: names of the costs by which approaches are compared.
    """

    column: tuple[str, str]
    examples: int
    constraints: Constraints
    recommended: ResultCell | None
    pool: tuple[ResultCell, ...]
    sure: bool
    constant: ResultCell | None
    candidates: tuple[Candidate, ...]
    without: tuple[tuple[Bound, tuple[ResultCell, ...]], ...]
    costs: tuple[str, ...] = tuple(COSTS)

    @property
    def nearest(self) -> Candidate:
        """The approach that violates the fewest constraints, and those by the least."""

        def violation(candidate: Candidate) -> tuple[int, float, float]:
            cell, bounds = candidate.cell, candidate.violated
            return len(bounds), sum(bound.distance(cell) for bound in bounds), -headline_score(cell)

        return min(self.candidates, key=violation)


def advise(grid: Grid, column: tuple[str, str], constraints: Constraints) -> Advice:
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
    violated = {c.key: tuple(b for b in bounds if not b.satisfied(c)) for c in cells}
    allowed = [cell for cell in cells if not violated[cell.key]]
    pool, sure, constant = _pool(allowed, cells, constraints)
    recommended = min(pool, key=lambda c: (constraints.price(c), -headline_score(c)), default=None)
    return Advice(
        column=column,
        examples=examples_of(grid, column),
        constraints=constraints,
        recommended=recommended,
        pool=tuple(pool),
        sure=sure,
        constant=constant,
        candidates=candidates_for(cells, allowed, recommended, violated),
        without=tuple(
            (bound, tuple(c for c in cells if violated[c.key] == (bound,))) for bound in bounds
        ),
        costs=tuple(compared_costs(grid)),
    )


def _pool(
    allowed: Sequence[ResultCell], cells: Sequence[ResultCell], constraints: Constraints
) -> tuple[list[ResultCell], bool, ResultCell | None]:
    """The approaches of which the cheapest is recommended.

    Args:
        allowed: cells that satisfy the constraints.
        cells: all cells of the column, with the constant baselines.
        constraints: constraints of the user.

    Returns:
        (the approaches, whether their intervals lie above the required score, the constant baseline
        that none of them is better than).
    """
    constants = [cell for cell in cells if cell.key[0] in CONSTANT]
    approaches = [cell for cell in allowed if cell not in constants]
    if not approaches:
        return [], False, None
    compared = [*approaches, *constants]
    matrices = matched_influences(compared)
    means = [float(matrix.mean()) for matrix in matrices]
    best = int(np.argmax(means[: len(approaches)]))
    learned = [True] * len(approaches)  # significantly different from every constant baseline
    for index in range(len(approaches), len(compared)):
        similar = not_different_from(matrices, index, LEVEL)
        if similar[best] or means[index] > means[best]:
            return [], False, compared[index]
        learned = [was and not same for was, same in zip(learned, similar, strict=False)]
    if constraints.score is not None:
        surely = [
            cell
            for cell, is_learned in zip(approaches, learned, strict=True)
            if is_learned and _low(cell) >= constraints.score
        ]
        if surely:
            return surely, True, None
    similar = not_different_from(matrices, best, LEVEL)
    pool = [
        cell
        for cell, is_learned, is_similar, mean in zip(
            approaches, learned, similar, means, strict=False
        )
        if is_learned and is_similar and mean >= means[best] - constraints.tolerance - 1e-9
    ]
    return pool, False, None


def _low(cell: ResultCell) -> float:
    return cell.score().low
