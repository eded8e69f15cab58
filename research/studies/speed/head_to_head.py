"""Times two sides in alternating rounds, each in its own process.

Alternation makes anything that slows the machine slow both sides.
"""

import statistics
import tempfile
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from research.studies.speed.case import OURS, Case
from research.studies.speed.side import Side
from research.studies.speed.sides.worker import Measurement

# Largest relative difference of the losses: the two sides sum in different orders.
TOLERANCE = {"float32": 1e-4, "bfloat16": 3e-2}


class HeadToHead(NamedTuple):
    """Result of a comparison; all times are per step of one run.

    Attributes:
        ours_ms: Median over rounds of the mean step time of our side.
        other_ms: The same for the other side.
        ratio: Median over rounds of the other side's time divided by ours.
        low: Smallest ratio of a round.
        high: Largest ratio of a round.
        compile_seconds: Compilation time of our side.
        difference: Relative difference of the mean first results.
        ours_bytes: Peak memory of our side, on the accelerator if there is one.
        other_bytes: The same for the other side.
        flops: FLOPs of our step for one run; None where they are unknown.
        profile: Share of our step's time per kind of operation; empty where it is unknown.
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


class CompiledCase(NamedTuple):
    """A case whose program is compiled already.

    Attributes:
        folder: The inputs of the case.
        cache: JAX's compilation cache.
        seconds: Seconds that compilation took.
    """

    folder: Path
    cache: Path
    seconds: float


def head_to_head(
    case: Case,
    dtype: str,
    rounds: int,
    seconds: float,
    compiled: CompiledCase | None = None,
) -> HeadToHead:
    """Times both sides of a case in alternating rounds of about `seconds` each.

    Args:
        case: The case.
        dtype: dtype of frozen weights and operations.
        rounds: Number of rounds.
        seconds: Approximate duration of a round of one side.
        compiled: The case's inputs and compiled program; None: both are made here.

    Raises RuntimeError if the two sides compute different results.
    """
    with tempfile.TemporaryDirectory() as folder:
        if compiled is None:
            case.prepare(Path(folder))
        inputs, cache = (Path(folder), None) if compiled is None else compiled[:2]
        settings = (inputs, dtype, case.learning_rate)
        with (
            closing(Side(OURS, case.ours, *settings, cache=cache)) as ours,
            closing(Side(*case.other, *settings, case.other_flags)) as other,
        ):
            for side in (ours, other):
                side(0)  # loads the inputs before anything is timed
            first, second = ours(case.cycle), other(case.cycle)  # compiling included
            counts = [
                case.cycle * max(1, round(seconds / sum(cycle.seconds)))
                for cycle in (ours(case.cycle), second)
            ]
            measurements = [(ours(counts[0]), other(counts[1])) for _ in range(rounds)]
            profile = ours.profile()
    difference = _difference(case, TOLERANCE[dtype], first, second)
    means = [
        (statistics.fmean(a.seconds) / case.runs, statistics.fmean(b.seconds))
        for a, b in measurements
    ]
    ratios = [b / a for a, b in means]
    last_ours, last_other = measurements[-1]
    return HeadToHead(
        ours_ms=1e3 * statistics.median(a for a, _ in means),
        other_ms=1e3 * statistics.median(b for _, b in means),
        ratio=statistics.median(ratios),
        low=min(ratios),
        high=max(ratios),
        compile_seconds=first.compiled if compiled is None else compiled.seconds,
        difference=difference,
        ours_bytes=last_ours.device_bytes or last_ours.host_bytes,
        other_bytes=last_other.device_bytes or last_other.host_bytes,
        flops=None if first.flops is None else first.flops / case.runs,
        profile=profile,
    )


def _difference(case: Case, tolerance: float, ours: Measurement, other: Measurement) -> float:
    """Relative difference of the mean first results; 0 where both sides are ours."""
    if case.other[0] == OURS:
        return 0.0
    mean = statistics.fmean(other.results)
    difference = abs(statistics.fmean(ours.results) - mean) / abs(mean)
    if not difference < tolerance:
        raise RuntimeError(f"{case.name}: the sides differ, {ours.results} and {other.results}")
    return difference
