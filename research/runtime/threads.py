"""Number of threads that XLA computes with on CPU.

XLA splits the sums of a matrix product over its threads, so the last bits of a result depend on
their number. They do not depend on the number of cores. Measured with full fine-tuning: 1 thread on
one core and on two cores gives the same bits, 1 and 2 threads on the same cores do not.
"""

import os
from pathlib import Path

import jax

VARIABLE = "PJRT_NPROC"  # XLA reads it when its CPU client starts
THREAD_NAME = "tf_XLAEigen"


def use_threads(count: int) -> None:
    """Makes XLA compute with `count` threads on CPU, in this process and in those it starts.

    Call it before JAX starts its devices; later calls affect new processes only.
    """
    os.environ[VARIABLE] = str(count)


def configured_threads() -> int:
    """The number of threads that XLA uses when its CPU client starts."""
    count = os.environ.get(VARIABLE, "")
    return int(count) if count.isdecimal() else len(cores())


def thread_count() -> int | None:
    """The number of threads that XLA computes with on CPU.

    None on other devices, and if the system does not list the threads of a process.
    """
    tasks = Path("/proc/self/task")
    if jax.default_backend() != "cpu" or not tasks.is_dir():
        return None
    return sum(_name(task).startswith(THREAD_NAME) for task in tasks.iterdir()) or None


def cores() -> list[int]:
    """The cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def _name(task: Path) -> str:
    try:
        return (task / "comm").read_text()
    except OSError:  # the thread has ended
        return ""
