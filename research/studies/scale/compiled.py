"""XLA's figures of the same step, compiled for virtual devices without creating arrays."""

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

# By default XLA's CPU compiler schedules operations to run concurrently, whatever memory it takes;
# with this flag it schedules them to save memory, as on accelerators.
FLAG = "--xla_cpu_enable_concurrency_optimized_scheduler=false"


def compile_step(setting: StepConfiguration) -> Any:
    """The program that a sweep would call; the configuration has a method."""
    mesh = Devices(count=setting.devices, fsdp=setting.fsdp).mesh()

    def placed(tree: Any) -> Any:
        def shape(leaf: Any) -> Any:
            return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=leaf_sharding(mesh, leaf))

        return jax.tree.map(shape, tree)

    replicated, by_row = NamedSharding(mesh, P()), NamedSharding(mesh, P(("data", "fsdp")))
    rows = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=by_row), setting.batch
    )
    methods = (jax.tree.map(np.float32, setting.method),)
    hyper = Hyper(methods, np.float32(1e-3), np.float32(0.0))  # pyright: ignore
    rest = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype, sharding=replicated),
        (prompt_frame(), hyper),
    )
    step = MeshStep(setting.program, mesh)
    return step.compiled(placed(setting.state), placed(setting.parts[1]), rows, *rest)


def compiler_report(setting: StepConfiguration) -> dict[str, Any]:
    """Bytes and FLOPs of the compiled step on one device."""
    return compiled_cost(compile_step(setting))
