"""The nine criteria by which prompt tuning and fine-tuning are usually compared with adjectives, as
measured figures.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from research.reporting.cells import Cell
from research.reporting.layout import MISSING, count, percent, seconds, size
from research.reporting.measures import flops, forgotten, out_of_domain, seeds_agree, switching
from research.reporting.worth import Curve

ENOUGH = 0.95  # of the best score of the task


@dataclass(frozen=True)
class Subject:
    """An approach on a task. cell: that of the most examples. scores: the mean score by the number
    of examples, ascending. best: the best mean score of any approach with any number.
    """

    cell: Cell
    scores: Mapping[int, float]
    best: float


@dataclass(frozen=True)
class Criterion:
    """name: the criterion. unit: of its figure. text: the figure of a subject, `MISSING` in place
    of what was not measured. note: how it is defined. missing: why it may not be measured.
    """

    name: str
    unit: str
    text: Callable[[Subject], str]
    note: str
    missing: str = ""


def _data(subject: Subject) -> str:
    sizes, means = list(subject.scores), list(subject.scores.values())
    needed = Curve.through(sizes, means).examples(ENOUGH * subject.best)
    if needed == math.inf:
        return f">{sizes[-1]}"
    if subject.cell.prompt_only and not any(subject.cell.numbers("notes", "demonstrations")):
        return "0"
    return f"≤{sizes[0]}" if needed <= sizes[0] else f"{math.ceil(needed)}"


def _compute(subject: Subject) -> str:
    return f"{_cost(subject, 'train_seconds', seconds)} s; {flops(subject.cell) or MISSING}"


def _complexity(subject: Subject) -> str:
    cell = subject.cell
    told = all("not_learned" in run["notes"] for run in cell.runs)
    idle = sum(bool(reason) for reason in cell.numbers("notes", "not_learned"))
    if not told and cell.runs[0]["backbone"] is not None and not cell.prompt_only:
        return f"{cell.trials}; {MISSING}"
    return f"{cell.trials}; {cell.diverged + idle} of {cell.ran}"


def _deployment(subject: Subject) -> str:
    return f"{_cost(subject, 'added_tokens', count)}; {_cost(subject, 'cache_bytes', size)}"


def _consistency(subject: Subject) -> str:
    cell = subject.cell
    scores = cell.influence[cell.headline].mean(1)
    spread = f"{100 * float(np.std(scores, ddof=1)):.1f}" if len(scores) > 1 else MISSING
    return f"{seeds_agree(cell) or MISSING}; {spread}"


def _generality(subject: Subject) -> str:
    return f"{out_of_domain(subject.cell) or MISSING}; {forgotten(subject.cell) or MISSING}"


def _cost(subject: Subject, name: str, text: Callable[[float], str]) -> str:
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
        "FLOPs are counted of compiled training steps, where the runs are new enough",
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
        "the runs are older than the note on whether anything was learned",
    ),
    Criterion(
        "maintenance",
        "bytes a task",
        lambda subject: _cost(subject, "stored_bytes", size),
        "what is stored for each task beside the backbone.",
        "the runs did not record it",
    ),
    Criterion(
        "adaptability",
        "milliseconds",
        lambda subject: switching(subject.cell) or MISSING,
        "from what a task stores in the host's memory to all of it on the devices.",
        "there is nothing to put on a device, or the runs are older than this measure",
    ),
    Criterion(
        "deployment",
        "tokens; keys and values",
        _deployment,
        "tokens that it adds to each input; bytes of keys and values of a request, input included.",
        "the runs are older than this measure, or the row keeps none",
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
