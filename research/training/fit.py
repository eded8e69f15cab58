"""Trains the members of a cohort, as many at once as fit in memory."""

from collections.abc import Sequence
from dataclasses import replace

from research.training.loop import FitOptions, TrainingLoop
from research.training.member import Member, MemberProgress, Outcome, shapes_of
from research.training.parts import fitting, split_members
from research.training.step import Program


def fit(program: Program, members: Sequence[Member], options: FitOptions) -> list[Outcome]:
    """Trains all members to the end of the schedule or until dev stops improving.

    Where not all of them fit in device memory, they are trained in parts, one after the other.
    Training resumes from the checkpoints to the same bits. A member whose loss, in training or on
    dev, is not finite stops with status `diverged` and keeps the best state it had.
    """
    shapes = options.shapes or shapes_of(members, options.answerer)
    outcomes: list[Outcome] = []

    def report(step: int, progress: Sequence[MemberProgress]) -> None:
        """Reports all members: those of earlier parts, of this one, and of later ones."""
        earlier = [outcome.progress for outcome in outcomes]
        later = len(members) - len(earlier) - len(progress)
        options.report(step, [*earlier, *progress, *(MemberProgress() for _ in range(later))])

    limit = fitting(program, options.devices, members, shapes)
    sizes = split_members(len(members), limit, options.devices.mesh().size)
    for size in sizes:
        begin, checkpoints = len(outcomes), options.checkpoints
        if checkpoints is not None and len(sizes) > 1:
            checkpoints = checkpoints.of_part(begin, size)
        part = replace(options, checkpoints=checkpoints, report=report, shapes=shapes)
        outcomes += TrainingLoop(program, members[begin : begin + size], part).run()
    return outcomes
