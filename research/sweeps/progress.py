"""Progress lines of a sweep: runs done, current cohort, loss, dev score, time left."""

import math
import threading
import time
from collections.abc import Callable, Sequence

from rich.console import Console

from research.common.printable import printable
from research.experiments.plan import CellPlan, Run
from research.training import loop

EVERY = 2.0  # seconds between lines on runs, where lines stay


Report = Callable[[str], None]  # takes a line on how far runs are


class Stopped(Exception):
    """Raised in a worker when the sweep is to end."""


class SweepProgress:
    """Prints a line as cells begin and runs are evaluated; on a terminal it replaces the last.

    Workers share one. After `stop`, they are stopped at their next report.
    """

    def __init__(self, cells: Sequence[CellPlan], console: Console):
        self.total = sum(cell.size for cell in cells)
        self.weight_left = float(sum(_weight(cell) * cell.size for cell in cells))
        self.console, self.done, self.weight_done = console, 0, 0.0
        self.begun, self.shown = time.monotonic(), -math.inf
        self.lock, self.stopping = threading.Lock(), False

    def skip(self, cell: CellPlan) -> None:
        """Counts a cell that was done before the sweep."""
        self.done += cell.size
        self.weight_left -= _weight(cell) * cell.size

    def start(self, cell: CellPlan) -> None:
        """Shows the name of a cell that begins."""
        self._show(str(cell))

    def finished(self, cell: CellPlan, runs: int) -> None:
        """Counts runs of a cell as done."""
        with self.lock:
            self.done += runs
            self.weight_done += _weight(cell) * runs
            self.weight_left -= _weight(cell) * runs

    def note(self, line: str) -> None:
        """Prints a line that stays."""
        with self.lock:
            self.close()
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Stops all threads at their next report."""
        self.stopping = True

    def report(self, line: str) -> None:
        """Shows a line; unless on a terminal, at most one every `EVERY` seconds."""
        now = time.monotonic()
        if self.stopping or self.console.is_terminal or now - self.shown >= EVERY:
            self.shown = now
            self._show(line)

    def close(self) -> None:
        """Clears the line of a terminal."""
        if self.console.is_terminal:
            self.console.file.write("\r\033[K")

    def _show(self, what: str) -> None:
        if self.stopping:
            raise Stopped
        with self.lock:
            self._print(what)

    def _print(self, what: str) -> None:
        line = f"[{self.done}/{self.total} runs] {what}, {self._left()} left"
        if self.console.is_terminal:
            self.console.file.write(f"\r\033[K{line[: self.console.width - 1]}")
            self.console.file.flush()
        else:
            self.console.print(printable(line), highlight=False, markup=False, soft_wrap=True)

    def _left(self) -> str:
        if not self.weight_done:
            return "time unknown"
        seconds = (time.monotonic() - self.begun) / self.weight_done * self.weight_left
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"


def reported(runs: Sequence[Run], step: int, members: Sequence[loop.MemberProgress]) -> str:
    """The line about runs that train together, after their first step or an evaluation."""
    last = [member.history[-1] for member in members if member.history]
    loss = min((entry[1] for entry in last), default=math.nan)
    best = max((member.best_score for member in members), default=math.nan)
    stages = runs[0].approach.stages
    # With several stages, the training loop does not know which stage this is.
    of = f"/{stages[0].schedule.steps}" if len(stages) == 1 else ""
    begun = f"{runs[0].cell}: {_named(runs)}, step {step}{of}"
    return f"{begun}, loss {loss:.3f}, dev {100 * best:.1f}" if last else begun


def _named(runs: Sequence[Run]) -> str:
    if runs[1:]:
        return f"{len(runs)} runs"
    values = [f"{name} {value}" for name, value in runs[0].trial.items()]
    return ", ".join([*values, f"seed {runs[0].seed}"])


def _weight(cell: CellPlan) -> float:
    """Rough duration of a run of the cell, relative to a run that trains."""
    if cell.approach.stages:
        return 1.0
    return 0.01 if cell.approach.baseline is not None else 0.1
