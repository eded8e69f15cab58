"""A member of a cohort: one run as training meets it, and what its batches are like."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from research.evaluation.answer_kinds.kind import Answerer
from research.evaluation.batch import PromptFrame, Rows, batch_rows, bucket, extents
from research.methods.method import Leaves
from research.tasks.encoding.encoded import Encoded
from research.training.batches import Shapes, Stream
from research.training.step import Hyper, Program


@dataclass(frozen=True)
class Member:
    """One run of a cohort; the last `training` of `hyper.methods` are those that train."""

    seed: int
    hyper: Hyper
    leaves: Leaves
    train: Encoded
    dev: Encoded
    frame: PromptFrame
    training: int = 1


@dataclass
class MemberProgress:
    """What a member has reached, in plain numbers, so that a checkpoint can carry it.

    best_loss breaks ties of best_score. history: (step, train loss, dev score, dev loss) at each
    evaluation. step_seconds: of each step. cost: of a step with the widest batch, see
    `research.executable.cost`; shape: the width of its rows and of their targets.
    evaluation_seconds: what scoring dev took, compilation apart.
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

    def gained(self, step: int, score: float, loss: float, patience: int) -> bool:
        """Notes a dev evaluation; True if it is the best yet."""
        better = (score, -loss) > (self.best_score, -self.best_loss)
        if better:
            self.best_step, self.best_score, self.best_loss = step, score, loss
        self.without_gain = 0 if better else self.without_gain + 1
        if self.without_gain >= patience:
            self.status = "stopped"
        return better


@dataclass(frozen=True)
class Outcome:
    """A trained member: its leaves at the best dev score, and how it came there."""

    trained: Leaves
    progress: MemberProgress


def shapes_of(members: Sequence[Member], answerer: Answerer) -> Shapes:
    """Of the members' batches: they share a compiled step, so they share its shapes."""
    targets = max(answerer.target_width(member.train) for member in members)
    return Shapes(
        targets, [Stream(m.seed, m.train.length, extents(m.train, m.frame)) for m in members]
    )


def width_of(longest: int, frame: PromptFrame) -> int:
    """Tokens of the rows of a batch, without what closes them, whose longest takes so many
    positions.
    """
    return bucket(longest) - len(frame.suffix_ids)


def batch_like(program: Program, member: Member, longest: int, shapes: Shapes) -> Rows:
    """Rows of the shape of a batch whose longest takes so many positions; all are the first."""
    size, width = program.schedule.batch_size, width_of(longest, member.frame)
    return batch_rows(member.train, np.zeros(size, int), size, width, shapes.targets)
