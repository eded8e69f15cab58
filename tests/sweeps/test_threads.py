"""A run computes with the same number of threads, and to the same bits, whoever executes it."""

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from research.records.schema import RunRecord
from research.records.store import RunStore

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from pathlib import Path
from rich.console import Console
from research.experiments.experiment import Experiment
from research.sweeps.sweep import sweep
sweep(Experiment.parse(eval(sys.argv[1])), Path(sys.argv[2]), Console())
"""


def full_fine_tuning() -> dict[str, Any]:
    """Two runs of twenty steps on the embedded backbone, whose matrices are large enough that XLA
    splits their products over threads.
    """
    config = importlib.import_module("configs.quickstart").get_config().to_dict()
    [row] = [row for row in config["approaches"] if row["name"] == "full fine-tuning"]
    return config | {
        "tasks": config["tasks"][:1],
        "regimes": ("16-shot",),
        "approaches": [{**row, "trials": row["trials"][:1]}],
        "schedule": {**config["schedule"], "steps": 20, "eval_every": 20},
        "seeds": 2,
        "max_dev": 32,
        "held_out": None,
    }


def swept(config: dict[str, Any], folder: Path) -> dict[str, RunRecord]:
    """The records of a sweep by a new process with one device and all optimizations."""
    names = ("JAX_DISABLE_MOST_OPTIMIZATIONS", "PJRT_NPROC", "XLA_FLAGS")
    env = {name: value for name, value in os.environ.items() if name not in names}
    subprocess.run(
        [sys.executable, "-c", CODE, repr(config), str(folder)],
        env=env | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
    )
    return {r.run_id: r for r in RunStore(folder).all() if r.approach == "full fine-tuning"}


@pytest.mark.thorough
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted on Linux")
def test_full_fine_tuning_in_one_process_and_in_workers_has_the_same_bits(tmp_path: Path):
    config = full_fine_tuning()
    alone = swept(config | {"workers": 1}, tmp_path / "alone")
    workers = swept(config | {"workers": 2}, tmp_path / "workers")
    assert alone and alone.keys() == workers.keys()
    for id, record in alone.items():
        assert record.history == workers[id].history
        assert record.metrics == workers[id].metrics
        assert record.provenance.hardware.threads == 1
        assert workers[id].provenance.hardware.threads == 1
