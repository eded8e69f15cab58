"""Times a script from its start to its first training step."""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from research.studies.speed.case import StartupCase
from research.studies.speed.whole_process import ROOT, script

FIRST_STEP = "first step after"  # what scripts/train.py prints


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
