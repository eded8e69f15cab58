"""Progress of runs that are executed together: its report and the line to show."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from research.experiments.plan import Run
from research.training import loop


@dataclass(frozen=True)
class RunProgress:
    """Progress of the runs of a shard.

    Attributes:
        line: the line to show.
        run: id of the first run of the shard.
        done: share of the training steps that are done; None where it is not known.
        seconds: seconds so far, without compilation.
    """

    line: str
    run: str
    done: float | None
    seconds: float


Report = Callable[[RunProgress], None]


class Stopped(Exception):
    """Raised in a worker when the sweep is to end."""


class ExecutionProgress(Protocol):
    """Takes reports of an executor."""

    def begin(self, runs: Sequence[Run], on_test: bool) -> None:
        """Runs begin to be executed together, or to be evaluated on test."""
        ...

    def report(self, progress: RunProgress) -> None:
        """Runs have made progress."""
        ...

    def end(self, runs: Sequence[Run], on_test: bool, failed: bool) -> None:
        """Their execution has ended."""
        ...


def share_done(runs: Sequence[Run], step: int) -> float | None:
    """The share of training steps that is done; None where it is not known."""
    total = _total_steps(runs)
    return None if total is None else step / total


def progress_line(runs: Sequence[Run], step: int, members: Sequence[loop.MemberProgress]) -> str:
    """The line on runs that train together, after their first step or an evaluation."""
    last = [member.history[-1] for member in members if member.history]
    loss = min((entry[1] for entry in last), default=math.nan)
    best = max((member.best_score for member in members), default=math.nan)
    total = _total_steps(runs)
    of_total = "" if total is None else f"/{total}"
    position = f"{runs[0].cell}: {run_names(runs)}, step {step}{of_total}"
    return f"{position}, loss {loss:.3f}, dev {100 * best:.1f}" if last else position


def _total_steps(runs: Sequence[Run]) -> int | None:
    """The steps of training; None with several stages, of which the loop does not know its own."""
    stages = runs[0].approach.stages
    return stages[0].schedule.steps if len(stages) == 1 else None


def run_names(runs: Sequence[Run]) -> str:
    """Settings and seed of a run, or the number of several."""
    if runs[1:]:
        return f"{len(runs)} runs"
    values = [f"{name} {value}" for name, value in runs[0].trial.items()]
    return ", ".join([*values, f"seed {runs[0].seed}"])
