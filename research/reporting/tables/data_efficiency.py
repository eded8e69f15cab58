"""Data efficiency: how many examples an approach needs for the score of another one."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from research.reporting.format import MISSING, counted, percent
from research.reporting.grid.cell import ResultCell, shared_seeds
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid
from research.reporting.metric_names import NAMES
from research.reporting.table import Table, TableCell, TableRow
from research.stats.data_efficiency import Learner, saved
from research.stats.equal_examples import Equivalent, equivalent_of_pairs

NEEDED = (
    "Each row is an approach with a number of training examples; each column is the number that "
    "another approach needs for the same score (Le Scao and Rush 2021), from mean scores over "
    "seeds with linear, non-decreasing interpolation between the sizes that were run. < and >: "
    "outside these sizes. Dev examples are not counted.",
    "[from, to]: sizes at which the two are not significantly different (paired t test over seeds "
    "and items, 5 %); no interval: they differ even at the nearest size. Scores usually rise "
    "fastest at small sizes, where linear interpolation overestimates the number of examples. The "
    "interval does not cover this error; more sizes reduce it.",
    "Cells with fewer seeds than planned and approaches with one size are left out.",
)
ONE_SEED = "One seed: the intervals cover the test items only."
SAVED = (
    "How many fewer examples the row needs than the column: mean over the scores that both reach "
    "with the sizes that were run, ± half of the 95 % interval over seeds and test items. Dash: no "
    "such scores, or no significant range of them.",
)


BySize = dict[int, ResultCell]  # the cells of a row on a task, by the number of training examples
Line = tuple[str, str, tuple[str, ...]]  # row of the grid, its name in the table, its texts


def data_efficiency_tables(grid: Grid) -> list[Table]:
    """For each task with several sizes: examples needed for equal scores, and examples saved."""
    tables = []
    for task in distinct(task for task, _ in grid.columns):
        by_row = {row: _by_size(grid, row, task) for row in grid.rows}
        cells = {row: by_size for row, by_size in by_row.items() if len(by_size) > 1}
        learners = _learners(cells)
        if len(learners) > 1:
            tables += [_needed(grid, task, cells, learners), *_saved(grid, task, learners)]
    return tables


def _by_size(grid: Grid, row: str, task: str) -> BySize:
    """Complete cells only, by ascending size; of two regimes with the same number, the first."""
    cells: BySize = {}
    for cell in grid.tested_of(row):
        if cell.key[1] == task and cell.complete:
            cells.setdefault(cell.n_train, cell)
    return dict(sorted(cells.items()))


def _learners(cells: Mapping[str, BySize]) -> dict[str, Learner]:
    """The rows on the seeds that all of their cells share; none where these share no seed."""
    shared = shared_seeds(cell for by_size in cells.values() for cell in by_size.values())
    return {
        row: Learner(tuple(by_size), tuple(c.influence_on(shared) for c in by_size.values()))
        for row, by_size in cells.items()
        if shared
    }


def _needed(
    grid: Grid, task: str, cells: Mapping[str, BySize], learners: Mapping[str, Learner]
) -> Table:
    others, matrices = list(learners.values()), list[np.ndarray]()
    of_row: list[tuple[str, int, ResultCell]] = []
    for row, by_size in cells.items():
        of_row += [(row, size, cell) for size, cell in by_size.items()]
        matrices += learners[row].influence
    pairs = [
        (matrix, other)
        for matrix, (row, _, _) in enumerate(of_row)
        for other, name in enumerate(learners)
        if name != row
    ]
    needed = dict(zip(pairs, equivalent_of_pairs(matrices, others, pairs), strict=True))
    lines = []
    for matrix, (row, size, cell) in enumerate(of_row):
        texts = [
            MISSING if name == row else _text(needed[matrix, other], others[other].sizes)
            for other, name in enumerate(learners)
        ]
        name = f"{row}, {counted(size, 'example')}"
        lines.append((row, name, (percent(cell.score()), *texts)))
    all_cells = [cell for by_size in cells.values() for cell in by_size.values()]
    metric = all_cells[0].headline
    heads = ((NAMES.get(metric, metric), "on test"), *(("needed by", row) for row in cells))
    notes = (*NEEDED, ONE_SEED) if any(len(cell.runs) == 1 for cell in all_cells) else NEEDED
    return _table(grid, f"{task}, examples for the same score", heads, lines, notes)


def _text(needed: Equivalent, sizes: Sequence[int]) -> str:
    def text(number: float) -> str:
        if math.isinf(number):
            return f"<{sizes[0]}" if number < 0 else f">{sizes[-1]}"
        return f"{number:.0f}"

    if needed.low == needed.high:
        return text(needed.examples)
    return f"{text(needed.examples)} [{text(needed.low)}, {text(needed.high)}]"


def _saved(grid: Grid, task: str, learners: Mapping[str, Learner]) -> list[Table]:
    """One table of the rows that share scores with another row, if any."""
    pairs: dict[tuple[str, str], tuple[float, float]] = {}
    for a, b in itertools.combinations(learners, 2):
        if result := saved(learners[a], learners[b]):
            pairs[a, b], pairs[b, a] = result, (0.0 - result[0], result[1])
    texts = {pair: f"{s[0]:+.0f} ± {s[1]:.0f}" for pair, s in pairs.items()}
    rows = [row for row in learners if any(row in pair for pair in texts)]
    if not rows:
        return []
    lines = [(row, row, tuple(texts.get((row, other), MISSING) for other in rows)) for row in rows]
    heads = tuple(("against", row) for row in rows)
    return [_table(grid, f"{task}, examples saved on average", heads, lines, SAVED)]


def _table(
    grid: Grid,
    title: str,
    heads: tuple[tuple[str, str], ...],
    lines: Sequence[Line],
    notes: tuple[str, ...],
) -> Table:
    def rows(baselines: bool) -> tuple[TableRow, ...]:
        chosen = [line for line in lines if (line[0] in grid.baselines) == baselines]
        return tuple((name, tuple(map(TableCell, texts))) for _, name, texts in chosen)

    return Table(f"{grid.name}: {title}", heads, len(heads), rows(False), rows(True), notes)
