"""What a search through prompts came to on dev: its spread, and where it levels off."""

import math
import statistics
from collections.abc import Sequence

from research.reporting.cells import Cell, Grid
from research.reporting.layout import MISSING, Entry, Layout

POINT = 0.01  # so near to the best of all trials, more of them hardly help


def expected_best(scores: Sequence[float], k: int) -> float:
    """The mean, over all sets of k of the scores, of the best in the set.

    Of n ascending scores the i-th is the best of C(i-1, k-1) of C(n, k) sets. This is the expected
    validation performance of Dodge et al. 2019 (arXiv 1909.03004, section 3), drawn without
    replacement, so that all n give the best score found.
    """
    ways = [math.comb(place, k - 1) for place in range(len(scores))]
    total = math.fsum(way * score for way, score in zip(ways, sorted(scores), strict=True))
    return total / math.comb(len(scores), k)


def enough(scores: Sequence[float]) -> int:
    """The least number of trials whose expected best comes within a point of the best of all."""
    near = max(scores) - POINT - 1e-9
    return next(k for k in range(1, len(scores) + 1) if expected_best(scores, k) >= near)


def lay_out_searches(grid: Grid) -> Layout | None:
    """A line for each cell of a prompt alone that had several trials; None where there is none."""
    keys = [(row, *column) for row in grid.rows for column in grid.columns]
    cells = [grid.cells[key] for key in keys if key in grid.cells]
    cells = [cell for cell in cells if cell.prompt_only and len(cell.dev) > 1]
    if not cells:
        return None
    powers = [2**i for i in range(max(len(cell.dev) for cell in cells).bit_length())]
    heads = [("trials", ""), *(("dev", name) for name in ("min", "median", "max", "SD"))]
    heads += [("best of", str(k)) for k in powers]
    heads.append(("plateau", "after"))
    return Layout(
        title=f"{grid.name}: prompt search, scores on dev",
        heads=tuple(heads),
        scores=5,  # the curve begins a block
        rows=tuple((", ".join(cell.key), _entries(cell, powers)) for cell in cells),
        baselines=(),
        notes=(
            "Scores: the headline metric on dev in percent, means over the search seeds; SD: over "
            "the trials. Each trial is another prompt, scored on the same examples.",
            "Best of k: the expected best dev score of k of the trials, in a random order. "
            "Plateau: the least k for which it is within a point of the best of all. The best "
            "score on dev is optimistic: it was chosen for it.",
        ),
    )


def _entries(cell: Cell, powers: Sequence[int]) -> tuple[Entry, ...]:
    scores = cell.dev
    spread = (min(scores), statistics.median(scores), max(scores), statistics.stdev(scores))
    curve = [expected_best(scores, k) if k <= len(scores) else None for k in powers]
    texts = [MISSING if score is None else f"{100 * score:.1f}" for score in (*spread, *curve)]
    return tuple(map(Entry, (str(len(scores)), *texts, str(enough(scores)))))
