"""Progress lines of a sweep: runs done, current cohort, loss, dev score, time left."""

import math
import threading
import time
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from research.common.durations import duration
from research.common.printable import printable
from research.experiments.plan import CellPlan, Run
from research.records.schema import RunRecord
from research.sweeps.cell_work import CellWork
from research.sweeps.run_progress import RunProgress, Stopped, run_names
from research.sweeps.time_left.time_left import Running, TimeLeft

EVERY = 2.0  # seconds between lines on runs, where lines stay
SCORING_EVERY = 10.0  # seconds before a line on scoring, where lines stay


class SweepProgress:
    """Prints a line as cells begin and runs are evaluated; on a terminal it replaces the last.

    Threads share one. After `stop`, they are stopped at their next report.

    Args:
        work: the cells and their work.
        console: where lines are printed.
    """

    def __init__(self, work: Sequence[CellWork], console: Console):
        self.total, self.done = sum(cell.runs for cell in work), 0
        self.time_left = TimeLeft(work, workers=1)
        self.console, self.printed_at = console, -math.inf
        self.begun: float | None = None
        self.lock, self.stopping = threading.RLock(), False

    @property
    def elapsed(self) -> float:
        """Seconds since the first execution began."""
        return 0.0 if self.begun is None else time.monotonic() - self.begun

    def use_workers(self, workers: int) -> None:
        """Says how many runs are executed at a time."""
        self.time_left.workers = workers

    def leave_out(self, cells: Sequence[CellPlan]) -> None:
        """Leaves cells out of the work, since they are not executed."""
        keys = {cell.key for cell in cells}
        work = [cell for cell in self.time_left.cells if cell.key not in keys]
        self.total, self.time_left.cells = sum(cell.runs for cell in work), work

    def start(self, cell: CellPlan) -> None:
        """Shows the name of a cell that begins."""
        self._show(str(cell))

    def begin(self, runs: Sequence[Run], on_test: bool) -> None:
        run = runs[0]
        with self.lock:
            if self.begun is None:
                self.begun = time.monotonic()
            running = Running(run.cell.key, self.elapsed, len(runs), on_test=on_test)
            self.time_left.running[run.id] = running
        if on_test:
            self._show_seldom(f"{run.cell}: evaluating {run_names(runs)} on test")

    def report(self, progress: RunProgress) -> None:
        """Shows a line; unless on a terminal, only some seconds after the last."""
        with self.lock:
            running = self.time_left.running.get(progress.run)
            if running and not (progress.scoring and progress.done is None):
                updated = replace(
                    running, done=progress.done, seconds=progress.seconds, reported=self.elapsed
                )
                self.time_left.running[progress.run] = updated
        self._show_seldom(progress.line, SCORING_EVERY if progress.scoring else EVERY)

    def end(self, runs: Sequence[Run], on_test: bool, failed: bool) -> None:
        run = runs[0]
        with self.lock:
            running = self.time_left.running.pop(run.id)
            if on_test and not failed:
                seconds = self.elapsed - running.begun
                self.time_left.tested(run.cell.key, len(runs), seconds, self.elapsed)

    def trained(self, cell: CellPlan, records: Sequence[RunRecord], now: bool) -> None:
        """Counts runs of a cell that were executed together; `now`: by this sweep."""
        first = records[0]
        seconds = first.costs.sweep_seconds
        with self.lock:
            self.done += len(records)
            self.time_left.finished(
                cell.key,
                runs=len(records),
                seconds=first.costs.train_seconds if seconds is None else seconds,
                compile_seconds=first.costs.compile_seconds or 0.0,
                elapsed=self.elapsed if now else None,
            )

    def tested(self, cell: CellPlan, runs: int) -> None:
        """Counts runs that an earlier sweep has evaluated on test."""
        with self.lock:
            self.time_left.tested(cell.key, runs, seconds=None, elapsed=None)

    def note(self, line: str) -> None:
        """Prints a line that stays."""
        with self.lock:
            self.close()
            self.console.print(printable(line), highlight=False, markup=False, soft_wrap=True)

    def stop(self) -> None:
        """Stops all threads at their next report."""
        self.stopping = True

    def close(self) -> None:
        """Clears the line of a terminal."""
        if self.console.is_terminal:
            self.console.file.write("\r\033[K")

    def _show_seldom(self, line: str, every: float = EVERY) -> None:
        now = time.monotonic()
        if self.stopping or self.console.is_terminal or now - self.printed_at >= every:
            self.printed_at = now
            self._show(line)

    def _show(self, what: str) -> None:
        if self.stopping:
            raise Stopped
        with self.lock:
            self._print(what)

    def _print(self, what: str) -> None:
        left = duration(self.time_left.left(self.elapsed))
        line = printable(f"[{self.done}/{self.total} runs] {what}, about {left} left")
        if self.console.is_terminal:
            self.console.file.write(f"\r\033[K{line[: self.console.width - 1]}")
            self.console.file.flush()
        else:
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
