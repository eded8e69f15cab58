"""Memory settings of the process for XLA on CPU, and the peak memory of a compiled program."""

import ctypes
import gc
import sys
from collections.abc import Mapping
from typing import Any

# Of mallopt(3).
TRIM_THRESHOLD, MMAP_MAX, ARENA_MAX = -1, -4, -8


def keep_freed_memory() -> bool:
    """Makes the process keep what it frees; returns whether the C library took it.

    XLA allocates the temporaries of a program at each call, and glibc gets blocks as large from the
    kernel and gives them back, so that every page is cleared again in every step: of a LoRA step of
    247 ms on two cores that was 72 ms. Only one arena, the main one, can keep large blocks. The
    process holds on to its peak, in which there is room for the temporaries of three or four calls,
    since those of a call are freed a little after the next has begun. Other C libraries are left
    alone.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = {ARENA_MAX: 1, MMAP_MAX: 0, TRIM_THRESHOLD: -1}
    return all([mallopt(name, value) for name, value in settings.items()])


def collect_rarely() -> None:
    """Makes Python look for garbage after 50000 new objects instead of 700 or 2000.

    Imports and the tracing of a step make several 100000 that stay: until its first step is to be
    compiled, a process of a sweep takes 7.3 s instead of 8.3.
    """
    gc.set_threshold(50_000, *gc.get_threshold()[1:])


def peak_bytes(cost: Mapping[str, Any]) -> int | None:
    """Arguments, outputs and temporaries of a compiled program; what is donated counts once."""
    parts = [cost.get(f"{name}_bytes") for name in ("argument", "output", "temporary", "alias")]
    if None in parts:
        return None
    arguments, outputs, temporaries, alias = map(int, parts)  # pyright: ignore
    return arguments + outputs + temporaries - alias
