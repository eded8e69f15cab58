"""Compares the approaches of a column with the recommended one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from research.common.errors import InputError
from research.records.schema import CellKey
from research.reporting.advice.bounds import Bound
from research.reporting.grid.cell import ResultCell, shared_seeds
from research.stats.best_group import LEVEL, not_different_from
from research.stats.mean_difference import MeanDifference
from research.stats.power import Spread


@dataclass(frozen=True)
class Candidate:
    """An approach compared with the recommended one.

    Attributes:
        cell: its cell of the table.
        violated: constraints that it violates.
        gap: its score minus that of the recommended approach.
        similar: whether it satisfies the constraints and is not significantly different from the
            recommended approach.
        seeds: number of seeds that would show the measured difference with a power of 80 %; None
            where that is too many.
        items: the same for test items.
    """

    cell: ResultCell
    violated: tuple[Bound, ...] = ()
    gap: MeanDifference | None = None
    similar: bool = False
    seeds: int | None = None
    items: int | None = None


def candidates_for(
    cells: Sequence[ResultCell],
    allowed: Sequence[ResultCell],
    recommended: ResultCell | None,
    violated: Mapping[CellKey, tuple[Bound, ...]],
) -> tuple[Candidate, ...]:
    """The recommended approach, those not significantly different, those that are, and those that
    violate a constraint; each group by score.
    """
    if recommended is None:
        unranked = [Candidate(cell, violated[cell.key]) for cell in cells]
        return tuple(sorted(unranked, key=lambda c: (len(c.violated), -headline_score(c.cell))))
    is_similar = not_different_from(matched_influences(allowed), allowed.index(recommended), LEVEL)
    similar = {cell.key for cell, same in zip(allowed, is_similar, strict=True) if same}
    pairs = max(len(allowed) * (len(allowed) - 1) // 2, 1)
    matrices, candidates = matched_influences(cells), []
    for cell, matrix in zip(cells, matrices, strict=True):
        difference = matrix - matrices[cells.index(recommended)]
        seeds, items = _needed(difference, LEVEL / pairs) if cell.key in similar else (None, None)
        gap = None if cell is recommended else MeanDifference.of(difference)[0]
        is_like = cell.key in similar
        candidates.append(Candidate(cell, violated[cell.key], gap, is_like, seeds, items))

    def rank(candidate: Candidate) -> tuple[bool, bool, bool, float]:
        cell = candidate.cell
        different = not candidate.similar
        return cell is not recommended, bool(candidate.violated), different, -headline_score(cell)

    return tuple(sorted(candidates, key=rank))


def _needed(difference: np.ndarray, level: float) -> tuple[int | None, int | None]:
    """Numbers of seeds and of items that would show the measured difference."""
    spread = Spread.of(difference)
    if spread is None or abs(spread.mean) < 1e-9:
        return None, None
    return spread.enough_seeds(level), spread.enough_items(level)


def matched_influences(cells: Sequence[ResultCell]) -> list[np.ndarray]:
    """Influence matrices [S, I] on the seeds that all cells share; InputError if there are none."""
    shared = shared_seeds(cells)
    if not shared:
        seeds = {cell.key[0]: cell.seeds for cell in cells}
        raise InputError("seeds", seeds, "approaches are compared on seeds that all of them have")
    return [cell.influence_on(shared) for cell in cells]


def headline_score(cell: ResultCell) -> float:
    """The mean test score of the headline metric."""
    return cell.score().score
