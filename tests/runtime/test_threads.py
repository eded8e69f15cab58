"""The number of XLA's threads on CPU, in processes that are started for it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.runs.context import open_context
from research.runtime.devices import Devices
from research.runtime.threads import VARIABLE, configured_threads, cores

# A product [512, 512] is large enough that XLA splits its sums over threads.
PRODUCT = """
import hashlib, os, sys
from research.runtime.threads import cores, thread_count, use_threads
if sys.argv[2] == "pinned":
    os.sched_setaffinity(0, cores()[:1])
use_threads(int(sys.argv[1]))
import jax, numpy as np
a, b = np.random.default_rng(0).standard_normal((2, 512, 512), np.float32)
product = jax.jit(jax.grad(lambda a, b: ((a @ b) ** 2).sum()))(a, b)
print(thread_count(), hashlib.sha256(np.asarray(product).tobytes()).hexdigest())
"""


def computed(threads: int, cores: str) -> tuple[int, str]:
    """(number of threads, digest of a product) of a new process with one device."""
    names = ("JAX_DISABLE_MOST_OPTIMIZATIONS", VARIABLE, "XLA_FLAGS")
    env = {name: value for name, value in os.environ.items() if name not in names}
    output = subprocess.run(
        [sys.executable, "-c", PRODUCT, str(threads), cores],
        env=env | {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    return int(output[0]), output[1]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted on Linux")
def test_a_process_on_all_cores_and_one_on_a_single_core_compute_the_same_bits():
    """As a process alone and a worker do, with one thread each."""
    alone, worker = computed(1, "all"), computed(1, "pinned")
    assert alone == worker
    assert alone[0] == 1


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted on Linux")
@pytest.mark.skipif(len(cores()) < 2, reason="a second thread takes a second core")
def test_as_many_threads_as_are_set():
    assert computed(2, "all")[0] == 2


def test_runs_compute_with_the_threads_of_the_experiment(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(VARIABLE, "7")
    open_context(Experiment.parse(config | {"devices": {"threads": 2}}), tmp_path)
    assert configured_threads() == 2


def test_the_number_of_threads_is_checked():
    with pytest.raises(InputError, match="threads is 0: a whole number from 1 is expected"):
        Devices(threads=0)
