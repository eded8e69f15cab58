"""Estimates the time until the end of a sweep, from the runs that it has measured.

The expected seconds of all remaining runs are those of one worker. How many of these pass in a
second is measured too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from research.records.schema import CellKey
from research.sweeps.cell_work import CellWork
from research.sweeps.time_left.expected_seconds import ExpectedSeconds
from research.sweeps.time_left.measured_cell import MeasuredCell
from research.sweeps.worker_count import BUSY

START = 5.0  # weight of the assumed share of busy time, in seconds of measurement
TRUST = 4.0  # weight of a run's own pace, times the share of its work that is done
LEAST = 0.05  # least share of a run that remains, however long it has taken
RECENT = 1 / 2  # of the time so far, over which the share of busy time is measured
WINDOW = 60.0  # least seconds over which it is measured


@dataclass(frozen=True)
class Running:
    """A run in progress.

    Attributes:
        cell: its cell.
        begun: when it began, by the clock of the estimate.
        runs: number of runs that are executed together.
        done: share of the work that is done; None where it is not known.
        seconds: seconds so far without compilation, when `done` was reported.
        reported: when it was reported; None if it was not.
        on_test: whether the run is evaluated on test.
    """

    cell: CellKey
    begun: float
    runs: int = 1
    done: float | None = None
    seconds: float = 0.0
    reported: float | None = None
    on_test: bool = False


@dataclass
class TimeLeft:
    """The estimate of a sweep.

    Attributes:
        cells: the cells in the order in which they run.
        workers: number of runs at a time.
        measured: finished runs by cell.
        running: runs in progress by id.
        work: when runs of this sweep ended, and seconds that they took.
    """

    cells: Sequence[CellWork]
    workers: int
    measured: dict[CellKey, MeasuredCell] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    work: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by_key = {cell.key: cell for cell in self.cells}

    def finished(
        self,
        key: CellKey,
        runs: int,
        seconds: float | None,
        compile_seconds: float,
        elapsed: float | None,
    ) -> None:
        """Adds runs that were executed together.

        Args:
            key: their cell.
            runs: their number.
            seconds: their seconds together, compilation included; None if unknown.
            compile_seconds: seconds of compilation among them.
            elapsed: when they ended, after the begin of the sweep; None for an earlier sweep.
        """
        cell = self.measured.setdefault(key, MeasuredCell())
        cell.runs += runs
        if seconds is None:
            return
        cell.add(runs, seconds, compile_seconds)
        if elapsed is not None:
            self.work.append((elapsed, seconds))

    def tested(self, key: CellKey, runs: int, seconds: float | None, elapsed: float | None) -> None:
        """Adds evaluations on test, as `finished` does."""
        cell = self.measured.setdefault(key, MeasuredCell())
        cell.tests += runs
        if seconds is not None:
            cell.timed_tests += runs
            cell.test_seconds += seconds
        if seconds is not None and elapsed is not None:
            self.work.append((elapsed, seconds))

    def left(self, elapsed: float) -> float:
        """Seconds until the end, `elapsed` seconds after the begin of the sweep."""
        expected = ExpectedSeconds(self.cells, self.measured)
        # A cell whose first training steps are done has compiled them.
        compiled = {run.cell for run in self.running.values() if run.done and self._trains(run)}
        left, longest = 0.0, 0.0
        for cell in self.cells:
            measured = self.measured.get(cell.key, MeasuredCell())
            left += max(0, cell.runs - measured.runs) * expected.run(cell)
            left += 0.0 if cell.key in compiled else expected.compiling(cell)
            left += max(0, cell.tests - measured.tests) * expected.test(cell)
        for run in self.running.values():
            seconds = expected.test if run.on_test else expected.run
            total = run.runs * seconds(self.by_key[run.cell])
            rest = self._rest(run, elapsed, total)
            left += rest - total
            longest = max(longest, rest)
        return max(longest, left / self._speed(elapsed), 0.0)

    def _trains(self, run: Running) -> bool:
        return not run.on_test and self.by_key[run.cell].kind == "train"

    def _rest(self, run: Running, elapsed: float, total: float) -> float:
        """Seconds that runs in progress still take, if `total` were expected before they began."""
        if run.done:  # then their own pace counts, all the more the further they are
            weight = min(1.0, TRUST * run.done)
            total += weight * (run.seconds / run.done - total)
        spent = run.seconds + elapsed - (run.begun if run.reported is None else run.reported)
        return max(total - spent, LEAST * total)

    def _speed(self, elapsed: float) -> float:
        """Seconds of work that are done in a second."""
        recent = max(RECENT * elapsed, WINDOW)
        begin = max(0.0, elapsed - recent)
        spans = [(end - seconds, end) for end, seconds in self.work]
        spans += [(run.begun, elapsed) for run in self.running.values()]
        busy = sum(max(0.0, end - max(begin, start)) for start, end in spans) / self.workers
        share = (busy + BUSY * START) / (elapsed - begin + START)
        return self.workers * min(1.0, max(share, 0.1))
