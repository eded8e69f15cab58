"""Times whole processes from their start to their exit or first training step."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from research.studies.speed.case import PEFT, StartupCase, WholeProcessCase
from research.studies.speed.real_inputs import CONFIG
from research.studies.speed.side import Side

ROOT = Path(__file__).parents[3]
FIRST_STEP = "first step after"  # what scripts/train.py prints


class WholeProcessTimes(NamedTuple):
    """Result of a comparison of whole processes.

    Attributes:
        ours_s: Median seconds of our process.
        other_s: Median seconds of the other process.
        ratio: Median over rounds of the other time divided by ours.
        low: Smallest ratio of a round.
        high: Largest ratio of a round.
    """

    ours_s: float
    other_s: float
    ratio: float
    low: float
    high: float


class StartupTimes(NamedTuple):
    """Startup times with a filled compilation cache.

    Attributes:
        seconds: Median over rounds.
        low: Shortest time.
        high: Longest time.
    """

    seconds: float
    low: float
    high: float


def whole_process(case: WholeProcessCase, rounds: int) -> WholeProcessTimes:
    """Times both sides in alternating rounds; ours starts with an empty compilation cache."""
    config, rounds_seconds = f"{CONFIG}:{case.config}", []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            inputs = Path(folder) / "inputs"
            inputs.mkdir()
            case.write(inputs)
            flags = [flag.format(inputs=inputs) for flag in case.flags]
            ours = _ours([f"--config={config}", *flags], Path(folder))
            rounds_seconds.append((ours, _other(case.other, inputs)))
    ratios = [b / a for a, b in rounds_seconds]
    ours, other = (statistics.median(side) for side in zip(*rounds_seconds, strict=True))
    return WholeProcessTimes(ours, other, statistics.median(ratios), min(ratios), max(ratios))


def timed(command: list[str], cache: Path) -> float:
    """Seconds that a command takes with `cache` as compilation cache. Raises on failure."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def script(name: str, *flags: str) -> list[str]:
    """The command line of one of our scripts."""
    return [sys.executable, str(ROOT / "scripts" / name), *flags]


def _ours(flags: list[str], folder: Path) -> float:
    command = script("sweep.py", *flags, f"--results={folder / 'results'}")
    return timed(command, folder / "cache")


def _other(workload: str, folder: Path) -> float:
    start = time.perf_counter()
    side = Side(PEFT, workload, folder, "float32", 1e-3)
    side(1)
    side.close()
    return time.perf_counter() - start


def startup_time(case: StartupCase, rounds: int) -> StartupTimes:
    """Starts a run `rounds` + 1 times; the first, which fills the cache, is not counted."""
    with tempfile.TemporaryDirectory() as folder:
        _, *times = (
            _seconds_to_first_step(case, Path(folder), index) for index in range(rounds + 1)
        )
    return StartupTimes(statistics.median(times), min(times), max(times))


def _seconds_to_first_step(case: StartupCase, folder: Path, index: int) -> float:
    """Seconds from the start of the process to its first step, after which it is terminated.

    Raises RuntimeError if the process ends before its first step.
    """
    flags = (f"--config={ROOT / 'configs' / case.config}", f"--approach={case.approach}")
    command = script("train.py", *flags, f"--results={folder / str(index)}")
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}  # holds the compilation cache
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(FIRST_STEP):
                seconds = time.perf_counter() - start
                process.terminate()
                return seconds
    raise RuntimeError(f"{command} ended with exit code {process.returncode} before a step")
