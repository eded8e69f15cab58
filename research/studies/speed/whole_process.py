"""Whole processes, one after the other, from their start to their end."""

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
from research.studies.speed.cases import WholeProcessCase
from research.studies.speed.head_to_head import Side

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "configs" / "speed.py"


class WholeProcessTimes(NamedTuple):
    """Seconds of each side, medians over rounds, and the ratio of the other's to ours."""

    ours_s: float
    other_s: float
    ratio: float
    low: float
    high: float


def whole_process(one: WholeProcessCase, rounds: int) -> WholeProcessTimes:
    """Both sides of a race, `rounds` times in turn, ours without anything compiled before."""
    config, found = f"{CONFIG}:{one.method.name}", []
    experiment = Experiment.parse(_get_config(one.method.name))
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            ours = _ours(config, Path(folder))
            real_inputs.world(experiment, (one.method,), Path(folder) / "material")
            found.append((ours, _other(Path(folder) / "material")))
    ratios = [b / a for a, b in found]
    ours, other = (statistics.median(side) for side in zip(*found, strict=True))
    return WholeProcessTimes(ours, other, statistics.median(ratios), min(ratios), max(ratios))


def _get_config(method: str) -> dict[str, Any]:
    """The plain data of `configs/speed.py`."""
    return runpy.run_path(str(CONFIG))["get_config"](method).to_dict()


def timed(command: list[str], cache: Path) -> float:
    """Seconds that a script takes with compiled programs in `cache`. Raises on failure."""
    environment = {**os.environ, "JAX_COMPILATION_CACHE_DIR": str(cache)}
    begun = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def script(name: str, *flags: str) -> list[str]:
    """The command that runs one of our scripts."""
    return [sys.executable, str(ROOT / "scripts" / name), *flags]


def _ours(config: str, folder: Path) -> float:
    flags = (f"--config={config}", f"--results={folder / 'results'}")
    return timed(script("sweep.py", *flags), folder / "cache")


def _other(folder: Path) -> float:
    begun = time.perf_counter()
    side = Side("theirs", "sweep", folder, "float32", 1e-3)
    side(1)
    side.close()
    return time.perf_counter() - begun
