"""Programs of XLA on CPU find the memory of their last call again."""

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from research.runtime import memory
from research.runtime.memory import collect_rarely

# The temporary is 64 MB: 16,384 pages of 4 kB, which each call would take anew.
PROGRAM = """
import resource, statistics, jax, jax.numpy as jnp
from research.runtime.memory import compute_in_caller
from research.runtime.process import prepare
prepare()
compute_in_caller()
program = jax.jit(lambda a, b, c: jnp.tanh(a @ b) @ c)
inputs = jnp.ones((4096, 64)), jnp.ones((64, 4096)), jnp.ones((4096, 1))
touched = []
for _ in range(40):
    program(*inputs).block_until_ready()
    touched.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(statistics.median(b - a for a, b in zip(touched[9:], touched[10:])))
print(jax.config.values["jax_cpu_enable_async_dispatch"])
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="settings of glibc")
def test_later_calls_touch_no_new_pages():
    """In a process of its own, as other threads take memory too."""
    command = [sys.executable, "-c", PROGRAM]
    of_a_call, is_asynchronous = subprocess.check_output(command, text=True).split()
    assert float(of_a_call) < 16384 / 4
    # With it, a call may take its temporaries before those of the last one are free: in four of six
    # processes. Without it that is rare, not impossible, so no number of pages is asserted.
    assert is_asynchronous == "False"


def test_garbage_is_collected_rarely():
    before = gc.get_threshold()
    try:
        collect_rarely()
        assert gc.isenabled() and gc.get_threshold() == (50_000, *before[1:])
    finally:
        gc.set_threshold(*before)


def test_a_container_may_have_less_memory_than_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    machine, free = memory.machine_bytes(), memory.free_bytes()
    assert memory.usable_bytes() == machine
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.usable_bytes() == machine
    (tmp_path / "memory.max").write_text("5000\n")
    (tmp_path / "memory.current").write_text("3000\n")
    assert memory.usable_bytes() == 5000
    assert free is None or memory.free_bytes() == 2000
