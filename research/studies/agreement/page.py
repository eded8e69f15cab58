"""The page of an agreement study."""

from collections.abc import Sequence

import numpy as np

from research.studies.agreement.comparison import CellComparison

INTRODUCTION = """\
# The same runs with PyTorch and PEFT

Each tested run of these cells was trained again by a plain loop with PyTorch {torch} and PEFT
{peft}: the same weights before training, examples, batches, learning rates of each step and rule
for the best step on dev. Backbone: {backbone}. Made by `scripts/agreement.py`.

Accuracies are means over seeds, in points. The difference is ours minus PEFT's with its 95 %
interval over seeds and test examples. "Same" is the share of test answers that are equal. Rounding
differs between the sides, and training carries it on: a run may take another step as its best.
"""
HEADS = (
    "approach",
    "task",
    "examples",
    "seeds",
    "ours",
    "PEFT",
    "difference",
    "same",
    "best steps, ours",
    "best steps, PEFT",
)


def agreement_page(
    comparisons: Sequence[CellComparison], backbone: str, versions: tuple[str, str]
) -> str:
    """The page in Markdown.

    Args:
        comparisons: one for each cell.
        backbone: name of the backbone.
        versions: of PyTorch and of PEFT.
    """
    lines = [HEADS, tuple("---" for _ in HEADS), *map(_row, comparisons)]
    table = "\n".join("| " + " | ".join(line) + " |" for line in lines)
    introduction = INTRODUCTION.format(backbone=backbone, torch=versions[0], peft=versions[1])
    return f"{introduction}\n{table}\n\n{_conclusion(comparisons)}\n"


def _row(comparison: CellComparison) -> tuple[str, ...]:
    difference, _ = comparison.difference
    return (
        comparison.approach,
        comparison.task,
        comparison.regime,
        str(len(comparison.runs)),
        _points(comparison.ours),
        _points(comparison.peft),
        difference.text(),
        f"{100 * comparison.same:.1f} %",
        ", ".join(str(run.our_step) for run in comparison.runs),
        ", ".join(str(run.peft_step) for run in comparison.runs),
    )


def _points(accuracies: np.ndarray) -> str:
    return f"{100 * accuracies.mean():.1f}"


def _conclusion(comparisons: Sequence[CellComparison]) -> str:
    agreeing = sum(comparison.agrees for comparison in comparisons)
    return f"The interval of the difference contains 0 in {agreeing} of {len(comparisons)} cells."
