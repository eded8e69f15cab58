"""A member of a cohort: one run as training meets it, and what its batches are like."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.evaluation.answering import Answering
from research.evaluation.batch import Frame, Rows, bucket, extents, rows
from research.methods.method import Leaves
from research.tasks.encoded import Encoded
from research.training.batches import Shapes, Stream
from research.training.progress import Progress
from research.training.step import Hyper, Program


@dataclass(frozen=True)
class Member:
    """One run of a cohort; the last `training` of `hyper.methods` are those that train."""

    seed: int
    hyper: Hyper
    leaves: Leaves
    train: Encoded
    dev: Encoded
    frame: Frame
    training: int = 1


@dataclass(frozen=True)
class Outcome:
    """A trained member: its leaves at the best dev score, and how it came there."""

    trained: Leaves
    progress: Progress


def shapes_of(members: Sequence[Member], answering: Answering) -> Shapes:
    """Of the members' batches: they share a compiled step, so they share its shapes."""
    targets = max(answering.targets(member.train) for member in members)
    return Shapes(
        targets, [Stream(m.seed, m.train.length, extents(m.train, m.frame)) for m in members]
    )


def width_of(longest: int, frame: Frame) -> int:
    """Tokens of the rows of a batch, without what closes them, whose longest takes so many
    positions.
    """
    return bucket(longest) - len(frame.closing)


def batch_like(program: Program, member: Member, longest: int, shapes: Shapes) -> Rows:
    """Rows of the shape of a batch whose longest takes so many positions; all are the first."""
    size, width = program.schedule.batch_size, width_of(longest, member.frame)
    return rows(member.train, np.zeros(size, int), size, width, shapes.targets)
