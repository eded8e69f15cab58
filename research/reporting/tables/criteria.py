"""Nine criteria that comparisons of prompt tuning and fine-tuning usually describe in words, as
measured numbers.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from research.reporting.format import MISSING, amount, byte_size, count, percent, seconds
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid
from research.reporting.grid.measures import (
    flops,
    forgetting,
    out_of_domain,
    seeds_agree,
    switching,
)
from research.reporting.table import Table, TableCell
from research.stats.data_efficiency import Curve

ENOUGH = 0.95  # of the best score of the task


@dataclass(frozen=True)
class CriteriaRow:
    """An approach on a task.

    Attributes:
        cell: the cell with the most training examples.
        scores: mean score by number of training examples, ascending.
        best: the best mean score of any approach with any number of examples.
    """

    cell: ResultCell
    scores: Mapping[int, float]
    best: float


@dataclass(frozen=True)
class Criterion:
    """One criterion.

    Attributes:
        name: name of the criterion.
        unit: unit of its value.
        text: the value of a row, with `MISSING` for a value that was not measured.
        note: its definition.
        missing: why a value can be missing.
    """

    name: str
    unit: str
    text: Callable[[CriteriaRow], str]
    note: str
    missing: str = ""


def _data(subject: CriteriaRow) -> str:
    sizes, means = list(subject.scores), list(subject.scores.values())
    needed = Curve.through(sizes, means).examples(ENOUGH * subject.best)
    if needed == math.inf:
        return f">{sizes[-1]}"
    if subject.cell.prompt_only and not any(run.notes.demonstrations for run in subject.cell.runs):
        return "0"
    return f"≤{sizes[0]}" if needed <= sizes[0] else f"{math.ceil(needed)}"


def _compute(subject: CriteriaRow) -> str:
    return f"{_cost(subject, 'train_seconds', seconds)} s; {flops(subject.cell) or MISSING}"


def _complexity(subject: CriteriaRow) -> str:
    cell = subject.cell
    not_learned = len(cell.known(lambda run: run.notes.not_learned))
    return f"{cell.trials}; {cell.diverged + not_learned} of {cell.ran}"


def _deployment(subject: CriteriaRow) -> str:
    return f"{_cost(subject, 'added_tokens', count)}; {_cost(subject, 'cache_bytes', byte_size)}"


def _consistency(subject: CriteriaRow) -> str:
    cell = subject.cell
    scores = cell.influence[cell.headline].mean(1)
    spread = f"{100 * float(np.std(scores, ddof=1)):.1f}" if len(scores) > 1 else MISSING
    return f"{seeds_agree(cell) or MISSING}; {spread}"


def _generality(subject: CriteriaRow) -> str:
    return f"{out_of_domain(subject.cell) or MISSING}; {forgetting(subject.cell) or MISSING}"


def _cost(subject: CriteriaRow, name: str, text: Callable[[float], str]) -> str:
    value = subject.cell.cost(name)
    return MISSING if value is None else text(value)


CRITERIA = (
    Criterion(
        "data",
        "examples",
        _data,
        f"training examples needed for {100 * ENOUGH:.0f} % of the task's best score, by linear "
        "interpolation between the sizes that were run. ≤: reached at the smallest size; >: not "
        "reached at the largest. Dev examples are not counted.",
    ),
    Criterion(
        "compute",
        "seconds; FLOPs",
        _compute,
        "of training one run, without compilation and without the search.",
        "FLOPs are counted for training steps only",
    ),
    Criterion(
        "accuracy",
        "score on test",
        lambda subject: percent(subject.cell.score(subject.cell.headline)),
        "the main metric in percent, with the 95 % interval over seeds and test items.",
    ),
    Criterion(
        "complexity",
        "trials; failed",
        _complexity,
        "number of trials searched; number of runs that diverged or, among the tested runs, were "
        "no better on dev than without training.",
    ),
    Criterion(
        "maintenance",
        "bytes per task",
        lambda subject: _cost(subject, "stored_bytes", byte_size),
        "bytes stored per task beside the backbone.",
    ),
    Criterion(
        "adaptability",
        "milliseconds",
        lambda subject: switching(subject.cell) or MISSING,
        "time to move a task's stored parameters from host memory to the devices.",
        "nothing is moved to a device",
    ),
    Criterion(
        "deployment",
        "tokens; keys and values",
        _deployment,
        "tokens added to each input; bytes of keys and values per request, input included.",
        "no keys and values are cached",
    ),
    Criterion(
        "consistency",
        "agreement; SD",
        _consistency,
        "share of test items with the same answer, over all pairs of seeds, in percent; standard "
        "deviation of the score over seeds, in points.",
        "it needs two seeds",
    ),
    Criterion(
        "generality",
        "out of domain; forgetting",
        _generality,
        "score out of domain and its difference from the test score; increase of the loss on "
        "held-out text like the backbone's pretraining data, in nats per token (permanent: "
        "removing the adapter does not undo it).",
        "no out-of-domain examples (`ood`) or no held-out text (`held_out`), or no language model",
    ),
)


def criteria_tables(grid: Grid, tasks: Collection[str] | None = None) -> list[Table]:
    """A table for each task with tested runs, or for `tasks`: a row for each approach, a column for
    each criterion. The definitions are notes of the last table.
    """
    tested = distinct(cell.key[1] for cell in grid.tested())
    layouts = [_table(grid, task) for task in tested if tasks is None or task in tasks]
    definitions = tuple(
        f"{criterion.name.capitalize()}: {criterion.note}" for criterion in CRITERIA
    )
    last = [replace(layout, notes=(*layout.notes, *definitions)) for layout in layouts[-1:]]
    return [*layouts[:-1], *last]


def _table(grid: Grid, task: str) -> Table:
    sizes = {column: _size(grid, column) for column in grid.columns if column[0] == task}
    column = max(sizes, key=lambda column: sizes[column])
    subjects = _subjects(grid, sizes, column)
    texts = {row: [c.text(subject) for c in CRITERIA] for row, subject in subjects.items()}
    rows = [(row, tuple(map(TableCell, values))) for row, values in texts.items()]
    return Table(
        title=f"{grid.name}: nine criteria, {task}, {amount(column[1])}",
        heads=tuple((criterion.name, criterion.unit) for criterion in CRITERIA),
        scores=5,
        rows=tuple(row for row in rows if row[0] not in grid.baselines),
        baselines=tuple(row for row in rows if row[0] in grid.baselines),
        notes=tuple(_missing(texts)),
    )


def _size(grid: Grid, column: tuple[str, str]) -> int:
    """The largest number of training examples in the column; -1 where no cell was tested."""
    cells = (grid.cell(row, column) for row in grid.rows)
    return max((run.n_train for cell in cells if cell for run in cell.runs), default=-1)


def _subjects(
    grid: Grid, sizes: Mapping[tuple[str, str], int], column: tuple[str, str]
) -> dict[str, CriteriaRow]:
    largest, scores = {}, {}
    for row in grid.rows:
        cells = {size: grid.cell(row, where) for where, size in sizes.items()}
        tested = {size: cell for size, cell in sorted(cells.items()) if cell is not None}
        scores[row] = {size: cell.score(cell.headline).score for size, cell in tested.items()}
        largest[row] = grid.cell(row, column)
    best = max(max(by_size.values()) for by_size in scores.values() if by_size)
    return {row: CriteriaRow(cell, scores[row], best) for row, cell in largest.items() if cell}


def _missing(texts: Mapping[str, list[str]]) -> list[str]:
    """Notes on missing values and their reasons."""
    notes = []
    for index, criterion in enumerate(CRITERIA):
        rows = [row for row, values in texts.items() if MISSING in values[index]]
        if rows:
            where = "all rows" if len(rows) == len(texts) else ", ".join(rows)
            notes.append(f"{MISSING} in {criterion.name}: {criterion.missing} ({where}).")
    return notes
