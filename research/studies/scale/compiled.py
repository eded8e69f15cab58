"""What XLA says of the same step, compiled for virtual devices; no array is made."""

from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import prompt_frame
from research.runtime.devices import Devices, leaf_sharding
from research.runtime.executable import compiled_cost
from research.studies.scale.configuration import StepConfiguration
from research.training.parallel import MeshStep
from research.training.step import Hyper

# XLA's CPU compiler orders operations so that many run at once, whatever that takes in memory;
# accelerators' compilers, and this one with the flag, order them to need little.
FLAG = "--xla_cpu_enable_concurrency_optimized_scheduler=false"


def compile_step(setting: StepConfiguration) -> Any:
    """The executable that a sweep would call, of a setting with a method."""
    mesh = Devices(count=setting.devices, fsdp=setting.fsdp).mesh()

    def placed(tree: Any) -> Any:
        def at(leaf: Any) -> Any:
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf_sharding(mesh, leaf))

        return jax.tree.map(at, tree)

    everywhere, by_row = NamedSharding(mesh, P()), NamedSharding(mesh, P(("data", "fsdp")))
    rows = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=by_row), setting.batch
    )
    methods = (jax.tree.map(np.float32, setting.method),)
    one = Hyper(methods, np.float32(1e-3), np.float32(0.0))  # pyright: ignore
    rest = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype, sharding=everywhere),
        (prompt_frame(), one),
    )
    step = MeshStep(setting.program, mesh)
    return step.compiled(placed(setting.state), placed(setting.parts[1]), rows, *rest)


def compiler_report(setting: StepConfiguration) -> dict[str, Any]:
    """Bytes and FLOPs of one device."""
    return compiled_cost(compile_step(setting))
