"""From the start of one of our scripts to its first step, as a user waits for it."""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from research.studies.speed.cases import StartupCase
from research.studies.speed.whole_process import ROOT, script

TOLD = "first step after"  # what scripts/train.py prints


class StartupTimes(NamedTuple):
    """Seconds, of rounds after the first, which compiles: their median, the least and the most."""

    seconds: float
    low: float
    high: float


def startup_time(one: StartupCase, rounds: int) -> StartupTimes:
    """A run that is begun `rounds` times, after once more with nothing compiled before."""
    with tempfile.TemporaryDirectory() as folder:
        _, *found = (
            _seconds_to_first_step(one, Path(folder), place) for place in range(rounds + 1)
        )
    return StartupTimes(statistics.median(found), min(found), max(found))


def _seconds_to_first_step(one: StartupCase, folder: Path, place: int) -> float:
    """Seconds from the process's start until it has done a step; it is ended then.

    Raises RuntimeError if it ends before.
    """
    flags = (f"--config={ROOT / 'configs' / one.config}", f"--approach={one.approach}")
    command = script("train.py", *flags, f"--results={folder / str(place)}")
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder)}  # of compiled programs
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    begun = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(TOLD):
                seconds = time.perf_counter() - begun
                process.terminate()
                return seconds
    raise RuntimeError(f"{command} ended with exit code {process.returncode} before a step")
