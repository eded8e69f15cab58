"""The nine criteria, each with its value for an approach on a task."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from research.reporting.format import MISSING, byte_size, count, percent, seconds
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.measures import (
    flops,
    forgetting,
    out_of_domain,
    seeds_agree,
    switching,
)
from research.stats.data_efficiency import Curve

SUFFICIENT = 0.95  # of the best score of the task


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


def _data(row: CriteriaRow) -> str:
    sizes, means = list(row.scores), list(row.scores.values())
    needed = Curve.through(sizes, means).examples(SUFFICIENT * row.best)
    if needed == math.inf:
        return f">{sizes[-1]}"
    if row.cell.prompt_only and not any(run.notes.demonstrations for run in row.cell.runs):
        return "0"
    return f"≤{sizes[0]}" if needed <= sizes[0] else f"{math.ceil(needed)}"


def _compute(row: CriteriaRow) -> str:
    return f"{_cost(row, 'train_seconds', seconds)} s; {flops(row.cell) or MISSING}"


def _complexity(row: CriteriaRow) -> str:
    cell = row.cell
    return f"{cell.trials}; {cell.diverged + cell.not_learned} of {cell.ran}"


def _deployment(row: CriteriaRow) -> str:
    return f"{_cost(row, 'added_tokens', count)}; {_cost(row, 'cache_bytes', byte_size)}"


def _consistency(row: CriteriaRow) -> str:
    cell = row.cell
    scores = cell.influence[cell.headline].mean(1)
    spread = f"{100 * float(np.std(scores, ddof=1)):.1f}" if len(scores) > 1 else MISSING
    return f"{seeds_agree(cell) or MISSING}; {spread}"


def _generality(row: CriteriaRow) -> str:
    return f"{out_of_domain(row.cell) or MISSING}; {forgetting(row.cell) or MISSING}"


def _cost(row: CriteriaRow, name: str, text: Callable[[float], str]) -> str:
    value = row.cell.cost(name)
    return MISSING if value is None else text(value)


CRITERIA = (
    Criterion(
        "data",
        "examples",
        _data,
        f"training examples needed for {100 * SUFFICIENT:.0f} % of the task's best score, by "
        "linear interpolation between the sizes that were run. ≤: reached at the smallest size; "
        ">: not reached at the largest. Dev examples are not counted.",
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
        lambda row: percent(row.cell.score()),
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
        lambda row: _cost(row, "stored_bytes", byte_size),
        "bytes stored per task beside the backbone.",
    ),
    Criterion(
        "adaptability",
        "milliseconds",
        lambda row: switching(row.cell) or MISSING,
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
