"""How long it takes to serve another task: to put what it keeps beside the backbone in place."""

import statistics
import time

import jax

from research.devices import Devices, leaf_sharding
from research.methods.method import Leaves

REPEATS = 5


def switch_seconds(stored: Leaves, devices: Devices) -> float:
    """Median seconds from `stored` in the host's memory to all of it on the devices.

    stored: what the task keeps, see `research.sweeps.costs.stored`. The leaves take the place of
    another task's of the same shapes, so nothing is compiled. After full fine-tuning they are the
    whole model; a prompt keeps nothing, and switching to it takes no time.
    """
    if not stored:
        return 0.0
    mesh, host = devices.mesh(), jax.device_get(stored)
    where = {path: leaf_sharding(mesh, leaf) for path, leaf in host.items()}
    seconds = []
    for _ in range(REPEATS + 1):
        begun = time.perf_counter()
        jax.block_until_ready(jax.device_put(host, where, may_alias=False))
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds[1:])  # the first meets cold memory
