"""Memory of the machine, of the process for XLA on CPU, and of a compiled program."""

import ctypes
import gc
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Parameters of mallopt(3).
TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8
CONTAINER = Path("/sys/fs/cgroup")  # files about the limits of this container


def keep_freed_memory() -> bool:
    """Makes the C library reuse freed memory; returns whether it accepted the settings.

    XLA allocates the temporaries of a program at each call. By default glibc returns such large
    blocks to the kernel, which clears every page again in the next step: 72 ms of a LoRA step of
    247 ms on two cores. Only the main arena can keep large blocks, so there is one arena. The
    process keeps its peak memory; see `compute_in_caller`. Other C libraries are not changed.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {ARENA_MAX: 1, MMAP_MAX: 0, TRIM_THRESHOLD: -1}
    return all([mallopt(name, value) for name, value in settings.items()])


def compute_in_caller() -> None:
    """Makes XLA on CPU compute in the calling thread. Call it before JAX starts its devices.

    By default another thread computes, and frees the temporaries of a call shortly after its
    results are there: often after the next call has allocated its own. A LoRA step of a model of
    135M parameters, with temporaries of 0.67 GB, then takes 2.3 to 3.6 GB, and 1.7 GB this way.
    Results are the same bits. A program on several devices is not changed.
    """
    import jax

    jax.config.update("jax_cpu_enable_async_dispatch", False)


def collect_rarely() -> None:
    """Makes Python collect garbage after 50,000 new objects instead of 700 or 2,000.

    Imports and the tracing of a step create several 100,000 objects that stay alive. A process of a
    sweep reaches the compilation of its first step in 7.3 s instead of 8.3 s.
    """
    gc.set_threshold(50_000, *gc.get_threshold()[1:])


@contextmanager
def uncollected() -> Iterator[None]:
    """Pauses the garbage collection while many objects are made that all stay alive.

    The collector would look at all of them again and again: reading 10,000 runs for a report takes
    a fifth less time without it.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def machine_bytes() -> int | None:
    """Bytes of memory of the machine; None if the system does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return None


def usable_bytes() -> int | None:
    """Bytes of memory that processes can have: of the machine, or fewer in a container with a
    limit; None if the system does not tell.
    """
    machine = machine_bytes()
    return min([*([] if machine is None else [machine]), *_limit()], default=None)


def free_bytes() -> int | None:
    """Bytes that the process can still take without swapping; None if the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux
        return None
    kibibytes = [int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    return min([*(value << 10 for value in kibibytes), *_container_bytes()], default=None)


def _container_bytes() -> list[int]:
    """Bytes that the limit of a container leaves, none without a limit."""
    try:
        return [limit - int((CONTAINER / "memory.current").read_text()) for limit in _limit()]
    except (OSError, ValueError):  # no such file
        return []


def _limit() -> list[int]:
    """Bytes of the limit of a container (a control group), none without a limit."""
    try:
        return [int((CONTAINER / "memory.max").read_text())]
    except (OSError, ValueError):  # no limit: no file, or the word max
        return []


def peak_bytes(cost: Mapping[str, Any]) -> int | None:
    """Bytes of arguments, outputs and temporaries of a program; donated arguments count once."""
    parts = [cost.get(f"{name}_bytes") for name in ("argument", "output", "temporary", "alias")]
    if None in parts:
        return None
    arguments, outputs, temporaries, alias = map(int, parts)  # pyright: ignore
    return arguments + outputs + temporaries - alias
