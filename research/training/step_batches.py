"""The batches of each training step of members that advance together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.evaluation.batch import Rows, extents, padded_width
from research.training.batches import Shapes, batch_indices
from research.training.member import Member, batch_like, member_batch, width_of
from research.training.step import Program


@dataclass(frozen=True)
class StepBatches:
    """The batches of each training step.

    Attributes:
        program: the program of a step.
        members: the members, each with examples of its own.
        shapes: the batch shapes of their cohort.
    """

    program: Program
    members: Sequence[Member]
    shapes: Shapes

    def chosen(self, step: int) -> list[np.ndarray]:
        """Indices of each member's examples of a step."""
        size = self.program.schedule.batch_size
        return [batch_indices(m.train.length, size, m.seed, step) for m in self.members]

    def at(self, chosen: Sequence[np.ndarray], same_width: bool) -> list[Rows]:
        """The batch of each member.

        Args:
            chosen: indices of each member's examples.
            same_width: whether all batches have the width of the widest.
        """
        size = self.program.schedule.batch_size
        widths = [
            width_of(int(extents(m.train, m.frame)[c].max()), m.frame, self.shapes.widths)
            for m, c in zip(self.members, chosen, strict=True)
        ]
        if same_width:
            widths = [max(widths)] * len(widths)
        return [
            member_batch(m, c, size, width, self.shapes)
            for m, c, width in zip(self.members, chosen, widths, strict=True)
        ]

    def of_each_width(self) -> list[Rows]:
        """A batch of each width that occurs up to the first evaluation."""
        schedule = self.program.schedule
        steps = range(min(schedule.steps, schedule.eval_every))
        longest = {n for step in steps for n in self.shapes.each_at(schedule.batch_size, step)}
        widest = {padded_width(n, self.shapes.widths): n for n in longest}
        return [self.like(widest[n]) for n in sorted(widest)]

    def like(self, longest: int) -> Rows:
        """A batch whose longest row has this many tokens."""
        return batch_like(self.program, self.members[0], longest, self.shapes)
