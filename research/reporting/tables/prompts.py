"""Tables of prompt searches: dev scores of the trials, and the expected best of k."""

import statistics
from collections.abc import Sequence

from research.reporting.format import MISSING
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid
from research.reporting.table import Table, TableCell
from research.stats.search_curves import enough, expected_best


def prompt_search_tables(grid: Grid) -> list[Table]:
    """One table with a row for each cell without training that had several trials, if any."""
    cells = [cell for cell in grid.ordered() if cell.prompt_only and len(cell.dev) > 1]
    if not cells:
        return []
    powers = [2**i for i in range(max(len(cell.dev) for cell in cells).bit_length())]
    heads = [("trials", ""), *(("dev", name) for name in ("min", "median", "max", "SD"))]
    heads += [("best of", str(k)) for k in powers]
    heads.append(("plateau", "after"))
    table = Table(
        title=f"{grid.name}: prompt search, scores on dev",
        heads=tuple(heads),
        scores=5,  # the curve begins a block
        rows=tuple((", ".join(cell.key), _entries(cell, powers)) for cell in cells),
        baselines=(),
        notes=(
            "Scores: the main metric on dev in percent, mean over the search seeds; SD: over the "
            "trials. Each trial is another prompt or another way to score labels, on the same "
            "examples.",
            "Best of k: expected best dev score of k randomly chosen trials. Plateau: the smallest "
            "k whose expected best is within a point of the best of all trials. The best dev score "
            "is optimistic, since it was selected.",
        ),
    )
    return [table]


def _entries(cell: ResultCell, powers: Sequence[int]) -> tuple[TableCell, ...]:
    scores = cell.dev
    spread = (min(scores), statistics.median(scores), max(scores), statistics.stdev(scores))
    curve = [expected_best(scores, k) if k <= len(scores) else None for k in powers]
    texts = [MISSING if score is None else f"{100 * score:.1f}" for score in (*spread, *curve)]
    return tuple(map(TableCell, (str(len(scores)), *texts, str(enough(scores)))))
