"""Measures the speed of matrix products, on idle cores and beside other programs."""

import functools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from research.runtime.threads import configured_threads

SIZE = 1024  # rows and columns of the matrices
REPEATS, SECONDS = 5, 0.05
WHOLE = 0.9  # share of their cores' time that products have where no other program computes


class ProductRate(NamedTuple):
    """The speed of a large matrix product.

    Attributes:
        flops: FLOPs per second on idle cores.
        cpu_share: share of its cores' time that the measurement had; 1 on an accelerator.
    """

    flops: float
    cpu_share: float = 1.0


@functools.lru_cache
def measured_rate(dtype: Any) -> ProductRate:
    """The rate of products of this dtype on the first device, measured once in a process."""
    product = jax.jit(lambda a, b: a @ b)
    # A GPU multiplies matrices of ones faster than matrices of random numbers.
    matrix = jax.random.uniform(jax.random.key(0), (SIZE, SIZE), dtype)
    product(matrix, matrix).block_until_ready()
    threads = configured_threads() if jax.default_backend() == "cpu" else None
    return best_rate(lambda: product(matrix, matrix).block_until_ready(), 2.0 * SIZE**3, threads)


def best_rate(
    call: Callable[[], object],
    flops: float,
    threads: int | None,
    wall: Callable[[], float] = time.perf_counter,
    cpu: Callable[[], float] = time.process_time,
) -> ProductRate:
    """The best rate of several repeats of a call.

    A repeat that had less than `WHOLE` of its cores counts by its CPU time: other programs had the
    rest, which do not slow down idle cores.

    Args:
        call: the call.
        flops: FLOPs of a call.
        threads: number of threads that compute it; None where it uses no CPU time.
        wall: the wall seconds.
        cpu: the CPU seconds of the process.
    """
    rates: list[float] = []
    all_seconds = all_busy = 0.0
    for _ in range(REPEATS):
        begun, used, calls = wall(), cpu(), 0
        while wall() - begun < SECONDS:
            call()
            calls += 1
        seconds = wall() - begun
        busy = seconds if threads is None else min(seconds, (cpu() - used) / threads)
        all_seconds, all_busy = all_seconds + seconds, all_busy + busy
        slowed = 0 < busy < WHOLE * seconds
        rates.append(calls * flops / (busy if slowed else seconds))
    return ProductRate(max(rates), all_busy / all_seconds)
