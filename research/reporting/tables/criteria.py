"""The nine criteria by which prompt tuning and fine-tuning are usually compared with adjectives, as
measured figures.
"""

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from research.reporting.format import MISSING, amount, byte_size, count, percent, seconds
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid, ResultCell
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
    """An approach on a task. cell: that of the most examples. scores: the mean score by the number
    of examples, ascending. best: the best mean score of any approach with any number.
    """

    cell: ResultCell
    scores: Mapping[int, float]
    best: float


@dataclass(frozen=True)
class Criterion:
    """name: the criterion. unit: of its figure. text: the figure of a subject, `MISSING` in place
    of what was not measured. note: how it is defined. missing: why it may not be measured.
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
        f"how many examples to train on it takes for {100 * ENOUGH:.0f} % of the best score of the "
        "task, straight lines between the numbers that were run; ≤ and >: at the least number "
        "already, not at the most. Examples of dev are not counted.",
    ),
    Criterion(
        "compute",
        "seconds; FLOPs",
        _compute,
        "of training one run, without compiling and without the search.",
        "FLOPs are counted of compiled training steps",
    ),
    Criterion(
        "accuracy",
        "score on test",
        lambda subject: percent(subject.cell.score(subject.cell.headline)),
        "the headline metric in percent, with its 95 % interval over seeds and test items.",
    ),
    Criterion(
        "complexity",
        "settings; failed",
        _complexity,
        "how many settings were searched through, and how many of all its runs diverged or, of the "
        "tested ones, were no better on dev than without training.",
    ),
    Criterion(
        "maintenance",
        "bytes a task",
        lambda subject: _cost(subject, "stored_bytes", byte_size),
        "what is stored for each task beside the backbone.",
    ),
    Criterion(
        "adaptability",
        "milliseconds",
        lambda subject: switching(subject.cell) or MISSING,
        "from what a task stores in the host's memory to all of it on the devices.",
        "there is nothing to put on a device",
    ),
    Criterion(
        "deployment",
        "tokens; keys and values",
        _deployment,
        "tokens that it adds to each input; bytes of keys and values of a request, input included.",
        "the row keeps no keys and values",
    ),
    Criterion(
        "consistency",
        "agree; SD",
        _consistency,
        "share of test items with the same answer over all pairs of seeds, in percent; standard "
        "deviation of the score over seeds, in points.",
        "it takes two seeds",
    ),
    Criterion(
        "generality",
        "elsewhere; forgotten",
        _generality,
        "score out of domain and its difference from that on test; rise of the loss on held-out "
        "text of the backbone's own kind, in nats a token (stays: taking the adapter away does not "
        "undo it).",
        "no out-of-domain examples (`ood`) or no held-out text (`held_out`) were given, or the "
        "row has no language model",
    ),
)


def criteria_tables(grid: Grid, tasks: Collection[str] | None = None) -> list[Table]:
    """A table for each task with tested runs, or of those given: a row for each approach, a column
    for each criterion; what the criteria mean is told once, at the end of the last.
    """
    tested = distinct(cell.key[1] for cell in grid.tested())
    layouts = [_table(grid, task) for task in tested if tasks is None or task in tasks]
    told = tuple(f"{one.name.capitalize()}: {one.note}" for one in CRITERIA)
    last = [replace(layout, notes=(*layout.notes, *told)) for layout in layouts[-1:]]
    return [*layouts[:-1], *last]


def _table(grid: Grid, task: str) -> Table:
    sizes = {column: _size(grid, column) for column in grid.columns if column[0] == task}
    column = max(sizes, key=lambda column: sizes[column])
    subjects = _subjects(grid, sizes, column)
    texts = {row: [one.text(subject) for one in CRITERIA] for row, subject in subjects.items()}
    rows = [(row, tuple(map(TableCell, of))) for row, of in texts.items()]
    return Table(
        title=f"{grid.name}: nine criteria on {task}, {amount(column[1])}",
        heads=tuple((one.name, one.unit) for one in CRITERIA),
        scores=5,
        rows=tuple(row for row in rows if row[0] not in grid.baselines),
        baselines=tuple(row for row in rows if row[0] in grid.baselines),
        notes=tuple(_missing(texts)),
    )


def _size(grid: Grid, column: tuple[str, str]) -> int:
    """The most examples that a cell of the column was trained on; -1 where none was tested."""
    cells = (grid.cell(row, column) for row in grid.rows)
    return max((run.n_train for cell in cells if cell for run in cell.runs), default=-1)


def _subjects(
    grid: Grid, sizes: Mapping[tuple[str, str], int], column: tuple[str, str]
) -> dict[str, CriteriaRow]:
    found, scores = {}, {}
    for row in grid.rows:
        cells = {size: grid.cell(row, of) for of, size in sizes.items()}
        known = {size: cell for size, cell in sorted(cells.items()) if cell is not None}
        scores[row] = {size: cell.score(cell.headline).score for size, cell in known.items()}
        found[row] = grid.cell(row, column)
    best = max(max(of.values()) for of in scores.values() if of)
    return {row: CriteriaRow(cell, scores[row], best) for row, cell in found.items() if cell}


def _missing(texts: Mapping[str, list[str]]) -> list[str]:
    """Where a figure is missing, and why."""
    notes = []
    for place, one in enumerate(CRITERIA):
        rows = [row for row, of in texts.items() if MISSING in of[place]]
        if rows:
            where = "all rows" if len(rows) == len(texts) else ", ".join(rows)
            notes.append(f"{MISSING} in {one.name}: {one.missing} ({where}).")
    return notes
