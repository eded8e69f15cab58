"""Counts and seconds of the finished runs of a cell."""

from dataclasses import dataclass


@dataclass
class MeasuredCell:
    """Counts and seconds of the finished runs of a cell.

    Attributes:
        runs: number of finished runs.
        timed: number of those whose seconds are known.
        seconds: their seconds without compilation.
        compile_seconds: their seconds of compilation.
        steady: number of timed runs that compiled nothing.
        steady_seconds: their seconds.
        tests: number of runs that were evaluated on test.
        timed_tests: number of those whose seconds are known.
        test_seconds: their seconds on test, compilation included.
    """

    runs: int = 0
    timed: int = 0
    seconds: float = 0.0
    compile_seconds: float = 0.0
    steady: int = 0
    steady_seconds: float = 0.0
    tests: int = 0
    timed_tests: int = 0
    test_seconds: float = 0.0

    def add(self, runs: int, seconds: float, compile_seconds: float) -> None:
        """Adds the seconds of runs that were executed together.

        Args:
            runs: their number.
            seconds: their seconds together, compilation included.
            compile_seconds: seconds of compilation among them.
        """
        rest = max(0.0, seconds - compile_seconds)
        self.timed += runs
        self.seconds += rest
        self.compile_seconds += compile_seconds
        if not compile_seconds:
            self.steady += runs
            self.steady_seconds += rest

    @property
    def mean(self) -> float:
        """Seconds of a run without compilation.

        A run that compiles also traces its programs and calls them for the first time, so that it
        counts only until a run that compiles nothing has finished.
        """
        return self.steady_seconds / self.steady if self.steady else self.seconds / self.timed
