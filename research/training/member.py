"""A member of a cohort: one run in training, its progress and the shapes of its batches."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from research.evaluation.answer_kinds.kind import Answerer
from research.evaluation.batch import (
    PromptFrame,
    Rows,
    batch_rows,
    choices_shape,
    extents,
    padded_width,
)
from research.evaluation.result_cache import ResultCache
from research.evaluation.trunk.row_states import RowStates
from research.methods.method import Leaves
from research.methods.shared.leaves import mask, split
from research.tasks.encoding.encoded import Encoded
from research.training.batches import Shapes, Stream
from research.training.step import Hyper, Program


@dataclass(frozen=True)
class Member:
    """One run of a cohort.

    Attributes:
        seed: the seed of batches and dropout.
        hyper: methods and traced hyper-parameters.
        leaves: the backbone's leaves and those of the methods.
        train: the training examples.
        dev: the dev examples.
        frame: the ids around every row.
        training: number of methods that train, the last ones of `hyper.methods`.
        states: the states of the training examples below the trained leaves; None where no trunk
            is kept. The frame then has those that all rows share.
    """

    seed: int
    hyper: Hyper
    leaves: Leaves
    train: Encoded
    dev: Encoded
    frame: PromptFrame
    training: int = 1
    states: RowStates | None = None

    def split(self) -> tuple[Leaves, Leaves]:
        """(trained leaves, frozen leaves)."""
        return split(self.leaves, mask(self.hyper.methods[-self.training :], self.leaves))


@dataclass
class MemberProgress:
    """The progress of a member as plain numbers, stored in checkpoints.

    Attributes:
        steps: steps done.
        best_step: the step with the best dev score.
        best_score: the best dev score.
        best_loss: the dev loss at that step, which breaks ties.
        without_gain: evaluations since the best one.
        status: "running", "stopped" or "diverged".
        history: (step, train loss, dev score, dev loss) of each evaluation.
        step_seconds: seconds of each step.
        cost: cost of a step with the widest batch, see `runtime.executable.compiled_cost`.
        shape: the widths of that batch's rows and targets.
        evaluation_seconds: seconds of evaluations on dev, without compilation, as if no states of
            the trunk were kept.
        trunk_seconds: seconds that kept states have saved in all steps.
        trunk_flops: FLOPs that they save in a step with the widest batch.
    """

    steps: int = 0
    best_step: int = 0
    best_score: float = -math.inf
    best_loss: float = math.inf
    without_gain: int = 0
    status: str = "running"
    history: list[list[float]] = field(default_factory=list)
    step_seconds: list[float] = field(default_factory=list)
    cost: dict[str, float | None] = field(default_factory=dict)
    shape: list[int] = field(default_factory=list)
    evaluation_seconds: float = 0.0
    trunk_seconds: float = 0.0
    trunk_flops: float = 0.0

    def record_dev(self, step: int, score: float, loss: float, patience: int) -> bool:
        """Records a dev evaluation. Returns whether it is the best so far."""
        better = (score, -loss) > (self.best_score, -self.best_loss)
        if better:
            self.best_step, self.best_score, self.best_loss = step, score, loss
        self.without_gain = 0 if better else self.without_gain + 1
        if self.without_gain >= patience:
            self.status = "stopped"
        return better


@dataclass(frozen=True)
class Outcome:
    """The outcome of a member's training.

    Attributes:
        trained: the trained leaves at the best dev score.
        progress: the member's progress.
        results: results of predictors on dev with these leaves; empty where they are unknown.
    """

    trained: Leaves
    progress: MemberProgress
    results: ResultCache = field(default_factory=ResultCache)


def shapes_of(members: Sequence[Member], answerer: Answerer) -> Shapes:
    """The batch shapes of members that share a compiled step."""
    targets = max(answerer.target_width(member.train) for member in members)
    return Shapes(
        targets,
        [Stream(m.seed, m.train.length, extents(m.train, m.frame)) for m in members],
        choices=most_choices([member.train for member in members]),
    )


def most_choices(splits: Sequence[Encoded]) -> tuple[int, int] | None:
    """(C, L) that the choices of all rows of these splits fit into; None where there are none."""
    shapes = [
        choices_shape(rows.choices.targets, np.arange(len(rows.length)))
        for rows in splits
        if rows.choices is not None
    ]
    if not shapes:
        return None
    counts, lengths = zip(*shapes, strict=True)
    return max(counts), max(lengths)


def width_of(longest: int, frame: PromptFrame, widths: Sequence[int] = ()) -> int:
    """Tokens of a batch's rows without the suffix, for a longest row of `longest` positions.

    widths: the padded widths of batches, see `padded_width`.
    """
    return padded_width(longest, widths) - len(frame.suffix_ids)


def member_batch(
    member: Member, indices: np.ndarray, size: int, width: int, shapes: Shapes
) -> Rows:
    """The examples at `indices` as `size` rows of `width` tokens, with their states."""
    rows = batch_rows(member.train, indices, size, width, shapes.targets, shapes.choices)
    if member.states is None:
        return rows
    return rows._replace(states=member.states.batch(indices, size, width))


def batch_like(program: Program, member: Member, longest: int, shapes: Shapes) -> Rows:
    """A batch of the first example repeated, padded as for a longest row of `longest` positions."""
    size, width = program.schedule.batch_size, width_of(longest, member.frame, shapes.widths)
    return member_batch(member, np.zeros(size, int), size, width, shapes)
