"""Two works in turn, each in a process of its own, so that what slows one slows the other."""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from research.studies.speed.cases import Case
from research.studies.speed.worker import Measurement

# Losses of both sides, relative; sums of float32 and of bfloat16 in another order.
CLOSE = {"float32": 1e-4, "bfloat16": 3e-2}


class HeadToHead(NamedTuple):
    """ours_ms, other_ms: of a run's step, the median over rounds of its mean. ratio: of the
    other's to ours, the median over rounds; low, high: the smallest and the largest.
    compile_seconds: of our side. difference: of the mean of the first results, relative.
    ours_bytes, other_bytes: the most in use, of the process or, where there is an accelerator, on
    it. flops: of our step of a run. profile: shares of its time by kinds of operations, empty where
    they are not known.
    """

    ours_ms: float
    other_ms: float
    ratio: float
    low: float
    high: float
    compile_seconds: float
    difference: float
    ours_bytes: int
    other_bytes: int
    flops: float | None
    profile: dict[str, float]


class Side:
    """A worker; called with a number of steps, it does them and tells."""

    def __init__(
        self,
        side: str,
        work: str,
        folder: Path,
        dtype: str,
        learning_rate: float,
        flags: str = "",
    ):
        """flags: of XLA, besides those of this process."""
        settings = (side, work, str(folder), dtype, str(learning_rate))
        command = [sys.executable, "-m", "research.studies.speed.worker", *settings]
        quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "TRANSFORMERS_VERBOSITY": "error"}
        flags = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
        # Two processes share an accelerator: neither may take all of its memory.
        environment = {
            **os.environ,
            **quiet,
            "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
            "XLA_FLAGS": flags,
        }
        pipe = subprocess.PIPE
        self.name, self.process = (
            f"{side} {work}",
            subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment),
        )

    def __call__(self, steps: int) -> Measurement:
        """Raises RuntimeError if the process has ended."""
        return Measurement(**self._answer(str(steps)))

    def profile(self) -> dict[str, float]:
        """Shares of the time of a step by kinds of operations; raises as above."""
        return self._answer("profile")

    def _answer(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended with exit code {self.process.wait()}")
        return json.loads(answer)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def head_to_head(case: Case, dtype: str, rounds: int, seconds: float) -> HeadToHead:
    """Both sides of a case, `rounds` times in turn; a turn takes about `seconds`.

    Raises RuntimeError if the sides do not compute the same.
    """
    with tempfile.TemporaryDirectory() as folder:
        case.prepare(Path(folder))
        rest = (Path(folder), dtype, case.learning_rate)
        ours, other = Side("ours", case.ours, *rest), Side(*case.other, *rest, case.other_flags)
        for side in (ours, other):
            side(0)  # what both load meanwhile is no part of what follows
        first, second = ours(case.cycle), other(case.cycle)  # compiling included
        counts = [
            case.cycle * max(1, round(seconds / sum(one.seconds)))
            for one in (ours(case.cycle), second)
        ]
        found = [(ours(counts[0]), other(counts[1])) for _ in range(rounds)]
        profile = ours.profile()
        ours.close()
        other.close()
    difference = _difference(case, CLOSE[dtype], first, second)
    means = [
        (statistics.fmean(a.seconds) / case.runs, statistics.fmean(b.seconds)) for a, b in found
    ]
    ratios = [b / a for a, b in means]
    last = found[-1]
    return HeadToHead(
        1e3 * statistics.median(a for a, _ in means),
        1e3 * statistics.median(b for _, b in means),
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        first.compiled,
        difference,
        last[0].device_bytes or last[0].host_bytes,
        last[1].device_bytes or last[1].host_bytes,
        None if first.flops is None else first.flops / case.runs,
        profile,
    )


def _difference(case: Case, close: float, ours: Measurement, other: Measurement) -> float:
    """Of the mean of the first results; 0 where both are ours, and of other adapters."""
    if case.other[0] == "ours":
        return 0.0
    mean = statistics.fmean(other.results)
    found = abs(statistics.fmean(ours.results) - mean) / abs(mean)
    if not found < close:
        raise RuntimeError(f"{case.name}: the sides differ, {ours.results} and {other.results}")
    return found
