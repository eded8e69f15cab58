"""Padded widths of a large model's batches: every further width costs compiling, and padding costs
computing.

The choice follows from nominal speeds, not measured ones, so that a run has the same widths
wherever it is repeated. Small models keep all buckets: their programs compile fast, and other
widths would change the last bits of their results.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import jax
import numpy as np

from research.evaluation.batch import EncodedPrompts
from research.evaluation.length_batches import EQUAL_ROWS, BatchShapes, length_batches
from research.methods.method import Leaves
from research.methods.shared.leaves import backbone
from research.models.layers.remat import LAYER

LARGE = 50_000_000  # parameters from which on widths are chosen
RATE = {"cpu": 1e11, "accelerator": 2e13}  # FLOPs per second
LAYER_COMPILE = {"score": 0.35, "train": 0.5}  # seconds for each layer, on two cores
PASSES = {"score": 1, "train": 2}  # forward; forward and backward
SCORED_ROWS = 32  # rows of a batch of `Predictor.scores`
# Positions of a batch in which a large model scores: on a CPU, more are hardly faster for each.
POSITIONS = {"cpu": 512, "accelerator": None}


@dataclass(frozen=True)
class ProgramCost:
    """Nominal costs of a model's program.

    Attributes:
        position: seconds of one position of one row.
        compiling: seconds of compilation.
    """

    position: float
    compiling: float


def program_cost(leaves: Leaves, purpose: str) -> ProgramCost | None:
    """The cost of a program of a model with these leaves; None for a small model.

    purpose: `train` or `score`.
    """
    sizes = {path: math.prod(np.shape(leaf)) for path, leaf in backbone(leaves).items()}
    if sum(sizes.values()) < LARGE:
        return None
    inside = {path: match for path in sizes if (match := LAYER.match(path))}
    layers = {match.group() for match in inside.values()}
    rate = RATE[_platform()]
    flops = 2 * PASSES[purpose] * sum(sizes[path] for path in inside)
    return ProgramCost(flops / rate, LAYER_COMPILE[purpose] * len(layers))


def chosen_widths(rows: Mapping[int, float], cost: ProgramCost | None) -> tuple[int, ...]:
    """The widths that take the fewest seconds in all, of computing and compiling.

    Every row is padded to the next chosen width, and the largest width is always chosen.

    Args:
        rows: number of computed rows of each width.
        cost: of the program; None for a small model, whose result is ().
    """
    if cost is None:
        return ()
    widths = sorted(rows)
    # For each width, the best choice of widths up to it that has it.
    best: list[tuple[float, tuple[int, ...]]] = []
    for end, width in enumerate(widths):
        starts = [(0.0, ()), *best]
        padded = [sum(rows[w] for w in widths[begin : end + 1]) for begin in range(end + 1)]
        best.append(
            min(
                (seconds + count * width * cost.position + cost.compiling, (*chosen, width))
                for (seconds, chosen), count in zip(starts, padded, strict=True)
            )
        )
    return best[-1][1] if best else ()


def large_batches(leaves: Leaves) -> BatchShapes:
    """Batches of a large model in every bucket, filled up to the positions that pay.

    Those of small models have equally many rows, each batch with the prefix before them.
    """
    if program_cost(leaves, "score") is None:
        return EQUAL_ROWS
    return BatchShapes(positions=POSITIONS[_platform()], prefix_apart=True)


def scoring_shapes(leaves: Leaves, prompts: Iterable[EncodedPrompts]) -> BatchShapes:
    """The batches in which a model with these leaves scores sets of prompts, one after the other.

    Small models have batches of equally many rows in every bucket.
    """
    cost, shapes = program_cost(leaves, "score"), large_batches(leaves)
    if cost is None:
        return shapes
    rows: dict[int, float] = {}
    for each in prompts:
        suffix = len(each.frame.suffix_ids)
        for _, size, width in length_batches(each.rows, SCORED_ROWS, 1, shapes, suffix):
            rows[width + suffix] = rows.get(width + suffix, 0) + size
    return shapes._replace(widths=chosen_widths(rows, cost))


def _platform() -> str:
    return "cpu" if jax.default_backend() == "cpu" else "accelerator"
