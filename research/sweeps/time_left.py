"""Estimates how long a sweep will still take, from the runs that it has measured.

The seconds of a run without compilation are a product of an approach and a column (task, regime).
Compilation is counted apart, since most of it happens in the first cell of an approach. Both are
seconds of one worker; how many of these pass in a second is measured too.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from research.experiments.plan import CellPlan
from research.records.schema import CellKey
from research.runs.costs.flops import rough_flops
from research.sweeps.worker_count import RATE, SCORED_ROWS

# What is assumed until it is measured.
COMPILE = {"train": 15.0, "prompt": 8.0, "baseline": 0.0}  # seconds in an approach's first cell
# Of these seconds, in a later cell of the approach. Rows of another task have other lengths: their
# prompts are other programs, while training steps pad them to the same few lengths.
LATER = {
    "train": {"same task": 0.4, "other task": 0.1},
    "prompt": {"same task": 0.4, "other task": 1.0},
    "baseline": {"same task": 0.0, "other task": 0.0},
}
BASELINE = 0.05  # seconds of a run without the backbone
BUSY = 0.7  # share of the workers' time that runs take
START = 5.0  # seconds of measurement that the assumption about this share counts as
TRUST = 4.0  # weight of a run's own steps, times the share of them that is done
LEAST = 0.05  # share of a run that is left, however long it has taken
RECENT = 1 / 2  # of the time so far, over which this share is measured
WINDOW = 60.0  # and at least these seconds


@dataclass(frozen=True)
class CellWork:
    """The work of a cell.

    Attributes:
        key: approach, task and regime.
        runs: number of runs.
        tests: number of runs that are evaluated on test.
        kind: "train", "prompt" or "baseline".
        rough_seconds: rough seconds of a run, for approaches of which no run is measured.
    """

    key: CellKey
    runs: int
    tests: int
    kind: str
    rough_seconds: float

    @property
    def approach(self) -> str:
        return self.key[0]

    @property
    def column(self) -> tuple[str, str]:
        """Task and regime."""
        return self.key[1:]


@dataclass
class Measured:
    """What the finished runs of a cell took.

    Attributes:
        runs: number of finished runs.
        timed: number of those whose seconds are known.
        seconds: their seconds without compilation.
        compile_seconds: their seconds of compilation.
        tests: number of runs that were evaluated on test.
        timed_tests: number of those whose seconds are known.
        test_seconds: their seconds on test, compilation included.
    """

    runs: int = 0
    timed: int = 0
    seconds: float = 0.0
    compile_seconds: float = 0.0
    tests: int = 0
    timed_tests: int = 0
    test_seconds: float = 0.0

    @property
    def mean(self) -> float:
        """Seconds of a run without compilation."""
        return self.seconds / self.timed


@dataclass(frozen=True)
class Running:
    """A run in progress.

    Attributes:
        cell: its cell.
        begun: when it began, by the clock of the estimate.
        runs: number of runs that are executed together.
        done: share of its training steps that is done; None where it is not known.
        seconds: seconds so far without compilation, when `done` was reported.
        reported: when it was reported; None if it was not.
    """

    cell: CellKey
    begun: float
    runs: int = 1
    done: float | None = None
    seconds: float = 0.0
    reported: float | None = None


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
    measured: dict[CellKey, Measured] = field(default_factory=dict)
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
            runs: how many they are.
            seconds: what they took together, compilation included; None where it is not known.
            compile_seconds: of these, compilation.
            elapsed: when they ended, after the begin of the sweep; None for an earlier sweep.
        """
        cell = self.measured.setdefault(key, Measured())
        cell.runs += runs
        if seconds is None:
            return
        cell.timed += runs
        cell.seconds += max(0.0, seconds - compile_seconds)
        cell.compile_seconds += compile_seconds
        if elapsed is not None:
            self.work.append((elapsed, seconds))

    def tested(self, key: CellKey, runs: int, seconds: float | None, elapsed: float | None) -> None:
        """Adds evaluations on test, as `finished` does."""
        cell = self.measured.setdefault(key, Measured())
        cell.tests += runs
        if seconds is not None:
            cell.timed_tests += runs
            cell.test_seconds += seconds
        if seconds is not None and elapsed is not None:
            self.work.append((elapsed, seconds))

    def left(self, elapsed: float) -> float:
        """Seconds until the end, `elapsed` seconds after the begin of the sweep."""
        seconds = self._run_seconds()
        compiling, testing = self._compile_seconds(), self._test_seconds()
        # A cell whose first steps are done has compiled them.
        compiled = {run.cell for run in self.running.values() if run.done}
        left, longest = 0.0, 0.0
        for cell in self.cells:
            known = self.measured.get(cell.key, Measured())
            left += max(0, cell.runs - known.runs) * seconds(cell)
            left += 0.0 if cell.key in compiled else compiling(cell)
            left += max(0, cell.tests - known.tests) * testing(cell)
        for run in self.running.values():
            expected = run.runs * seconds(self.by_key[run.cell])
            rest = self._rest(run, elapsed, expected)
            left += rest - expected
            longest = max(longest, rest)
        return max(longest, left / self._speed(elapsed), 0.0)

    def _rest(self, run: Running, elapsed: float, total: float) -> float:
        """Seconds that runs in progress still take, if `total` were expected before they began."""
        if run.done:  # then their own steps count, all the more the further they are
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

    def _run_seconds(self) -> Callable[[CellWork], float]:
        """Seconds of a run of a cell, without compilation.

        Measured in the cell; else the planned seconds, corrected by what approach and column took
        elsewhere.
        """
        ratios = {
            key: cell.mean / self.by_key[key].rough_seconds
            for key, cell in self.measured.items()
            if cell.timed and cell.mean > 0 and key in self.by_key
        }
        columns = self._column_factors(ratios)
        by_approach: dict[str, list[float]] = defaultdict(list)
        by_kind: dict[str, list[float]] = defaultdict(list)
        for key, ratio in ratios.items():
            cell = self.by_key[key]
            by_approach[cell.approach].append(ratio / columns[cell.column])
            by_kind[cell.kind].append(ratio / columns[cell.column])

        def seconds(cell: CellWork) -> float:
            if cell.key in ratios:
                return cell.rough_seconds * ratios[cell.key]
            known = by_approach[cell.approach] or by_kind[cell.kind] or [1.0]
            return cell.rough_seconds * statistics.geometric_mean(known) * columns[cell.column]

        return seconds

    def _test_seconds(self) -> Callable[[CellWork], float]:
        """Seconds of evaluating a run of a cell on test: as in its kind of cells, by what is
        planned for a run.
        """
        rates: dict[str, list[float]] = defaultdict(list)
        for key, known in self.measured.items():
            if known.timed_tests and key in self.by_key:
                cell = self.by_key[key]
                rates[cell.kind].append(known.test_seconds / known.timed_tests / cell.rough_seconds)

        def seconds(cell: CellWork) -> float:
            return cell.rough_seconds * statistics.fmean(rates[cell.kind] or [0.0])

        return seconds

    def _column_factors(self, ratios: Mapping[CellKey, float]) -> dict[tuple[str, str], float]:
        """How much longer than planned runs of a column take, relative to those of the first, by
        approaches that were trained in both.
        """
        factors: dict[tuple[str, str], float] = {}
        for column in dict.fromkeys(cell.column for cell in self.cells):
            logs = [
                math.log(ratios[cell.key] * factors[other] / ratios[cell.approach, *other])
                for cell in self.cells
                if cell.column == column and cell.kind == "train" and cell.key in ratios
                for other in factors
                if (cell.approach, *other) in ratios
            ]
            factors[column] = math.exp(statistics.fmean(logs)) if logs else 1.0
        return factors

    def _compile_seconds(self) -> Callable[[CellWork], float]:
        """Seconds that are still to be spent on compilation in a cell."""
        first = {cell.approach: cell for cell in reversed(self.cells)}
        whole = {
            key: cell.compile_seconds
            for key, cell in self.measured.items()
            if key in self.by_key and cell.runs >= self.by_key[key].runs and cell.timed
        }
        later: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        begun: dict[str, list[float]] = defaultdict(list)
        for cell in self.cells:
            begin = first[cell.approach]
            if cell is begin and cell.key in whole:
                begun[cell.kind].append(whole[cell.key])
            elif cell.key in whole and begin.key in whole:
                pair = whole[cell.key], whole[begin.key]
                later[cell.kind, _relation(cell, begin)].append(pair)

        def expected(cell: CellWork) -> float:
            begin, assumed = first[cell.approach], COMPILE[cell.kind]
            in_first = whole.get(begin.key, statistics.fmean([*begun[cell.kind], assumed]))
            if cell is begin:
                return in_first
            relation = _relation(cell, begin)
            pairs = [(LATER[cell.kind][relation], 1.0)]
            pairs += later[cell.kind, relation]
            share = sum(pair[0] for pair in pairs) / sum(pair[1] for pair in pairs)
            return share * in_first

        def left(cell: CellWork) -> float:
            found = self.measured.get(cell.key, Measured())
            missing = max(0.0, 1 - found.runs / cell.runs)
            return missing * max(0.0, expected(cell) - found.compile_seconds)

        return left


def _relation(cell: CellWork, other: CellWork) -> str:
    return "same task" if cell.column[0] == other.column[0] else "other task"


def cell_work(cell: CellPlan, parameters: int, tokens: float) -> CellWork:
    """The work of a cell of a plan.

    Args:
        cell: the cell.
        parameters: number of parameters of the backbone.
        tokens: mean tokens of a row of its task.
    """
    approach = cell.approach
    kind = "train" if approach.stages else "prompt" if approach.baseline is None else "baseline"
    schedules = [stage.schedule for stage in approach.stages]
    trained = sum(schedule.steps * schedule.batch_size for schedule in schedules)
    flops = rough_flops(parameters, int(tokens * SCORED_ROWS), int(tokens * trained))
    return CellWork(
        key=cell.key,
        runs=cell.size,
        tests=len(cell.tested(cell.trials[0])),
        kind=kind,
        rough_seconds=BASELINE if kind == "baseline" else flops / RATE,
    )
