"""The train step on several devices: `jit` over a mesh, or `pmap`, with equal results."""

import functools
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.common.errors import InputError
from research.evaluation.batch import PromptFrame, Rows
from research.methods.method import Leaves
from research.runtime.devices import Devices, leaf_sharding
from research.runtime.executable import Call, Executable
from research.training.step import Hyper, Metrics, Program, TrainState, train_step


class MeshStep:
    """The step under `jit`: rows are sharded over all devices, leaves over an `fsdp` group.

    A layer's leaves are gathered where it is computed, and its activations are not communicated
    (Rajbhandari et al. 2019, arXiv 1910.02054, section 5.3; Zhao et al. 2023, arXiv 2304.11277).
    XLA may communicate activations instead in the last layer, which has few positions, and in the
    lookup in a sharded embedding.
    """

    def __init__(self, program: Program, mesh: Mesh):
        self.mesh = mesh
        self.everywhere = NamedSharding(mesh, P())
        self.step = partial(train_step, program)
        self.executables: dict[Any, Executable] = {}

    def place(self, tree: Any, alias: bool = False) -> Any:
        """Shards a state or frozen leaves for the step.

        Args:
            tree: the state or leaves.
            alias: True to reuse the caller's buffers, for leaves that no step changes or that the
                caller gives up.
        """
        return jax.tree.map(
            lambda x: jax.device_put(x, leaf_sharding(self.mesh, x), may_alias=alias), tree
        )

    def read(self, state: TrainState) -> TrainState:
        """The state in the form of `init_state`."""
        return state

    def compiled(self, *args: Any) -> Any:
        """The executable for these arguments."""
        return self._executable(args[0]).compiled(*args)

    def call(
        self, state: TrainState, frozen: Leaves, rows: Rows, frame: PromptFrame, hyper: Hyper
    ) -> Call:
        """The call of a step.

        The program places the batch and hyper-parameters. Placing them before takes 0.8 of 5.1 ms
        on a CPU.
        """
        return Call(self._executable(state), (state, frozen, rows, frame, hyper))

    def __call__(self, *args: Any) -> tuple[TrainState, Metrics]:
        """One step, with the arguments of `call`."""
        executable, placed = self.call(*args)
        return executable(*placed)

    def _executable(self, state: TrainState) -> Executable:
        leaves, structure = jax.tree.flatten(state)
        shardings = tuple(x.sharding for x in leaves)
        if (structure, shardings) not in self.executables:
            states, whole = jax.tree.unflatten(structure, shardings), self.everywhere
            by_row = NamedSharding(self.mesh, P(("data", "fsdp")))
            jitted = jax.jit(
                self.step,
                donate_argnums=0,
                in_shardings=(states, None, by_row, whole, whole),
                out_shardings=(states, whole),
            )
            self.executables[structure, shardings] = Executable(jitted)
        return self.executables[structure, shardings]


class PmapStep:
    """The step under `pmap`: every device has the whole state and an equal share of the rows."""

    def __init__(self, program: Program, mesh: Mesh):
        self.devices = list(mesh.devices.flat)
        mapped = jax.pmap(
            partial(train_step, program, axis="data"),
            axis_name="data",
            in_axes=(0, 0, 0, None, None),
            devices=self.devices,
            donate_argnums=0,
        )
        self.executable = Executable(mapped)

    def place(self, tree: Any, alias: bool = False) -> Any:
        del alias  # every device gets a copy
        count = len(self.devices)
        return jax.tree.map(lambda x: np.broadcast_to(np.asarray(x), (count, *x.shape)), tree)

    def read(self, state: TrainState) -> TrainState:
        return jax.tree.map(lambda x: np.asarray(x[0]), state)

    def __call__(
        self, state: TrainState, frozen: Leaves, rows: Rows, frame: PromptFrame, hyper: Hyper
    ) -> tuple[TrainState, Metrics]:
        count = len(self.devices)
        by_device = jax.tree.map(
            lambda x: x.reshape(count, x.shape[0] // count, *x.shape[1:]), rows
        )
        state, metrics = self.executable(state, frozen, by_device, frame, hyper)
        return state, jax.tree.map(lambda x: x[0], metrics)


@functools.lru_cache
def step_on(program: Program, devices: Devices) -> MeshStep | PmapStep:
    """The step on these devices; one object per program, so that nothing compiles twice.

    Raises InputError if a batch cannot be split evenly.
    """
    mesh, schedule = devices.mesh(), program.schedule
    if schedule.batch_size % (mesh.size * schedule.accumulate):
        raise InputError(
            "schedule.batch_size",
            schedule.batch_size,
            f"it has to divide into {schedule.accumulate} micro-batches on {mesh.size} devices",
        )
    return {"jit": MeshStep, "pmap": PmapStep}[devices.mode](program, mesh)
