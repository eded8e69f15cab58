"""Which devices a program runs on and how arrays lie on them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.common.errors import InputError, check_whole

MOST_THREADS = 1024
MOST_GIB = 2**20

# How the layers of a model run: one after the other, or equal ones as one `jax.lax.scan`.
Layers = Literal["unrolled", "scan"]


@dataclass(frozen=True)
class Devices:
    """The devices of an experiment and how runs use them.

    Attributes:
        mode: `jit` on a mesh, or `pmap`.
        count: number of devices, over which the rows of a batch are split; None for all.
        fsdp: number of devices over which the leaves are split as well.
        members: how the runs of a cohort share the devices: `host` calls one after the other,
            `vmap` runs all as one program, `auto` is host on CPU, with pmap and with fsdp, and vmap
            elsewhere.
        remat: whether layers are computed again for their gradients, which takes less memory and up
            to a third more operations.
        layers: how the layers of a model run. `scan` runs equal layers that train alike as one
            `jax.lax.scan`: the program has one layer, and memory a second copy of the weights.
            Losses and scores are the same up to rounding, so it is not part of a run's id.
        threads: number of CPU threads that a run computes with, in a worker process or in a single
            one. The last bits of results depend on it, see `research.runtime.threads`.
        trunk_gib: memory of each process for hidden states below the trained layers, which are then
            computed once for each text, in GiB; 0 to compute them each time.

    Raises InputError for a number of threads or a memory that is out of range.
    """

    mode: Literal["jit", "pmap"] = "jit"
    count: int | None = None
    fsdp: int = 1
    members: Literal["auto", "host", "vmap"] = "auto"
    remat: bool = False
    layers: Layers = "unrolled"
    threads: int = 1
    trunk_gib: float = 1.0

    def __post_init__(self) -> None:
        check_whole("threads", self.threads, most=MOST_THREADS)
        if not 0 <= self.trunk_gib <= MOST_GIB:
            raise InputError("trunk_gib", self.trunk_gib, f"0 to {MOST_GIB} GiB are allowed")

    def mesh(self) -> Mesh:
        """The (data, fsdp) mesh. Raises InputError if devices are too few or do not divide."""
        devices = jax.devices()
        count = len(devices) if self.count is None else self.count
        if not 1 <= count <= len(devices):
            raise InputError("devices.count", count, f"1 to {len(devices)} devices are here")
        if self.fsdp < 1 or count % self.fsdp:
            raise InputError("devices.fsdp", self.fsdp, f"it has to divide {count} devices")
        # Linen's embedding look-up fails on Explicit axes, make_mesh's default.
        axes = (AxisType.Auto, AxisType.Auto)
        shape = (count // self.fsdp, self.fsdp)
        return jax.make_mesh(shape, ("data", "fsdp"), axes, devices=devices[:count])

    def vmapped(self) -> bool:
        """Whether a cohort's members run as one program."""
        if self.members == "auto":
            return jax.default_backend() != "cpu" and self.mode == "jit" and self.fsdp == 1
        if self.members == "vmap" and (self.mode == "pmap" or self.fsdp > 1):
            raise InputError("devices.members", "vmap", "it needs mode='jit' and fsdp=1")
        return self.members == "vmap"


def device_memory() -> int | None:
    """Bytes of memory for programs on a device; None if it does not report them, as a CPU."""
    return (jax.devices()[0].memory_stats() or {}).get("bytes_limit")


def place_leaves(leaves: Mapping[str, Any], mesh: Mesh) -> dict[str, Any]:
    """Leaves on the devices of a mesh, each by `leaf_sharding`; unchanged for one device."""
    if mesh.size == 1:
        return dict(leaves)
    return {p: jax.device_put(leaf, leaf_sharding(mesh, leaf)) for p, leaf in leaves.items()}


def leaf_sharding(mesh: Mesh, leaf: Any) -> NamedSharding:
    """A matrix is cut over `fsdp` along its longest axis that divides; the rest is replicated."""
    cuts, shape = mesh.shape["fsdp"], np.shape(leaf)
    axes = [axis for axis, size in enumerate(shape) if size % cuts == 0]
    if cuts == 1 or len(shape) < 2 or not axes:
        return NamedSharding(mesh, P())
    cut = max(axes, key=lambda axis: shape[axis])
    return NamedSharding(mesh, P(*("fsdp" if axis == cut else None for axis in range(cut + 1))))
