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
