"""Trains the members of a cohort, as many at a time as fit in memory."""

from collections.abc import Sequence
from dataclasses import replace

from research.runtime.clock import spent_on
from research.training.loop import TrainingLoop
from research.training.member import Member, MemberProgress, Outcome, shapes_of
from research.training.options import FitOptions
from research.training.parts import fitting, split_members
from research.training.step import Program


def fit(program: Program, members: Sequence[Member], options: FitOptions) -> list[Outcome]:
    """Trains all members to the end of the schedule or until dev stops improving.

    Members that do not fit in device memory together are trained in parts, one part after another.
    Training resumed from a checkpoint is bit-identical. A member with a training loss, dev loss or
    dev score that is not finite stops with status `diverged` and keeps its best state so far.
    """
    shapes = options.shapes or shapes_of(members, options.answerer)
    outcomes: list[Outcome] = []

    def report(step: int, progress: Sequence[MemberProgress]) -> None:
        """Reports all members, those of earlier and later parts included."""
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
        with spent_on("initialising"):
            loop = TrainingLoop(program, members[begin : begin + size], part)
        outcomes += loop.run()
    return outcomes
