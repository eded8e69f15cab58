"""Times whole processes from start to exit, one after the other."""

import os
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from research.experiments.experiment import Experiment
from research.studies.speed import real_inputs
from research.studies.speed.case import PEFT, WholeProcessCase
from research.studies.speed.head_to_head import Side

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "speed.py"


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


def whole_process(case: WholeProcessCase, rounds: int) -> WholeProcessTimes:
    """Times both sides in alternating rounds; ours starts with an empty compilation cache."""
    config, rounds_seconds = f"{CONFIG}:{case.method.name}", []
    experiment = Experiment.parse(_get_config(case.method.name))
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            ours = _ours(config, Path(folder))
            real_inputs.world(experiment, (case.method,), Path(folder) / "inputs")
            rounds_seconds.append((ours, _other(Path(folder) / "inputs")))
    ratios = [b / a for a, b in rounds_seconds]
    ours, other = (statistics.median(side) for side in zip(*rounds_seconds, strict=True))
    return WholeProcessTimes(ours, other, statistics.median(ratios), min(ratios), max(ratios))


def _get_config(method: str) -> dict[str, Any]:
    """The config in `configs/speed.py` as plain data."""
    return runpy.run_path(str(CONFIG))["get_config"](method).to_dict()


def timed(command: list[str], cache: Path) -> float:
    """Seconds that a command takes with `cache` as compilation cache. Raises on failure."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    start = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def script(name: str, *flags: str) -> list[str]:
    """The command line of one of our scripts."""
    return [sys.executable, str(ROOT / "scripts" / name), *flags]


def _ours(config: str, folder: Path) -> float:
    flags = (f"--config={config}", f"--results={folder / 'results'}")
    return timed(script("sweep.py", *flags), folder / "cache")


def _other(folder: Path) -> float:
    start = time.perf_counter()
    side = Side(PEFT, "sweep", folder, "float32", 1e-3)
    side(1)
    side.close()
    return time.perf_counter() - start
