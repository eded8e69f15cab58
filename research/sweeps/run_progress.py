"""Progress of runs that are executed together: its report and the line to show."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from research.experiments.plan import Run
from research.runs.scoring_progress import ScoringProgress
from research.runtime.executable import execution_clock
from research.training.member import MemberProgress

SCORING_SECONDS = 1.0  # least seconds between two reports about scoring


@dataclass(frozen=True)
class RunProgress:
    """Progress of the runs of a shard.

    Attributes:
        line: the line to show.
        run: id of the first run of the shard.
        done: share of the work that is done; None where it is not known.
        seconds: seconds so far, without compilation.
        scoring: whether the line tells of scoring, which it may do every second.
    """

    line: str
    run: str
    done: float | None
    seconds: float
    scoring: bool = False


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


class ShardProgress:
    """Reports the progress of runs that are executed together, a `RunReport`.

    Work is first training and then scoring. Where scoring has begun, the share of the work that is
    done follows from the seconds of training and of scoring so far, and the share of the scoring.

    Args:
        runs: the runs.
        report: takes their progress.
    """

    def __init__(self, runs: Sequence[Run], report: Report):
        self.runs, self.report = runs, report
        self.position = f"{runs[0].cell}: {run_names(runs)}"
        self.begun = execution_clock()
        self.trained = 0.0  # seconds until scoring began
        self.reported = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far, without compilation."""
        return execution_clock() - self.begun

    def training(self, step: int, members: Sequence[MemberProgress]) -> None:
        """Reports a training step."""
        total = _total_steps(self.runs)
        self.position = progress_line(self.runs, step, members)
        self.begin_scoring()
        self._send(self.position, None if total is None else step / total)

    def begin_scoring(self) -> None:
        """Counts the seconds from now on as those of scoring."""
        self.trained = self.seconds

    def scoring(self, progress: ScoringProgress) -> None:
        """Reports scoring, at most once in `SCORING_SECONDS`."""
        if time.monotonic() - self.reported < SCORING_SECONDS:
            return
        done, seconds = None, self.seconds
        if progress.share:
            done = seconds / (self.trained + (seconds - self.trained) / progress.share)
        rows = f"{progress.rows:,} of {progress.total:,} rows"
        self._send(f"{self.position}, scoring {progress.split}: {rows}", done, scoring=True)

    def _send(self, line: str, done: float | None, scoring: bool = False) -> None:
        self.reported = time.monotonic()
        self.report(RunProgress(line, self.runs[0].id, done, self.seconds, scoring))


def progress_line(runs: Sequence[Run], step: int, members: Sequence[MemberProgress]) -> str:
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
