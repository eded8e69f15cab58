"""A cohort: runs that share one compiled step, differing in seed and traced hyper-parameters."""

import functools
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import PromptFrame, Rows
from research.methods.method import Leaves
from research.runtime.devices import Devices
from research.runtime.executable import Call, Executable
from research.training.parallel import MeshStep, step_on
from research.training.step import Hyper, Program, TrainState, train_step
from research.training.step_cost import cost_alone, step_cost


class Cohort(Protocol):
    """States of N members that advance together.

    Attributes:
        shared_width: True if the batches of all members need the same width.
    """

    shared_width: bool

    def advance(
        self,
        rows: Sequence[Rows],
        frames: Sequence[PromptFrame],
        hypers: Sequence[Hyper],
        active: Sequence[bool],
    ) -> np.ndarray:
        """Takes one step of each member and returns their losses [N]; inactive ones may skip it."""
        ...

    def states(self) -> list[TrainState]:
        """The states of all members."""
        ...

    def calls(self, rows: Rows, frame: PromptFrame, hyper: Hyper) -> list[Call]:
        """The call of one member's step, to compile it ahead; empty where that is not possible."""
        ...

    def cost(self, rows: Rows, frame: PromptFrame, hyper: Hyper) -> dict[str, float | None]:
        """FLOPs and memory of one member's step on these rows."""
        ...


class OneByOne:
    """The host calls the shared executable for one member after another.

    Bit-equal to single runs. The memory of `states` is reused: they must not be read afterwards.
    """

    shared_width = False

    def __init__(
        self, program: Program, devices: Devices, states: list[TrainState], frozen: list[Leaves]
    ):
        self.program, self.leaves = program, frozen
        self.step = step_on(program, devices)
        self.members = [self.step.place(state, alias=True) for state in states]
        distinct = {id(leaf): leaf for leaves in frozen for leaf in leaves.values()}
        placed = {key: self.step.place(leaf, alias=True) for key, leaf in distinct.items()}
        self.frozen = [{p: placed[id(leaf)] for p, leaf in leaves.items()} for leaves in frozen]

    def advance(self, rows, frames, hypers, active) -> np.ndarray:
        losses = np.full(len(self.members), np.nan)
        for i in np.flatnonzero(active):
            self.members[i], metrics = self.step(
                self.members[i], self.frozen[i], rows[i], frames[i], hypers[i]
            )
            losses[i] = metrics.loss
        return losses

    def states(self) -> list[TrainState]:
        return [self.step.read(state) for state in self.members]

    def calls(self, rows: Rows, frame: PromptFrame, hyper: Hyper) -> list[Call]:
        if not isinstance(self.step, MeshStep):
            return []
        return [self.step.call(self.members[0], self.frozen[0], rows, frame, hyper)]

    def compiled(self, rows: Rows, frame: PromptFrame, hyper: Hyper) -> Any:
        """The executable of a member's step; None on several devices or with micro-batches."""
        step, accumulate = self.step, self.program.schedule.accumulate
        if not isinstance(step, MeshStep) or step.mesh.size > 1 or accumulate > 1:
            return None
        return step.compiled(self.members[0], self.frozen[0], rows, frame, hyper)

    def cost(self, rows: Rows, frame: PromptFrame, hyper: Hyper) -> dict[str, float | None]:
        """Cost of one member's step, from the executable in use where `compiled` has it."""
        compiled = self.compiled(rows, frame, hyper)
        if compiled is not None:
            args = (self.members[0], self.leaves[0], rows, frame, hyper)
            return step_cost(self.program, compiled, *args)
        state = self.step.read(self.members[0])
        return cost_alone(self.program, state, self.leaves[0], rows, frame, hyper)


class Together:
    """Members are vmapped over their shared frozen leaves and distributed over the devices.

    Equal to single runs up to rounding (1e-5 after one step). Without communication between
    devices.
    """

    shared_width = True

    def __init__(
        self, program: Program, devices: Devices, states: list[TrainState], frozen: list[Leaves]
    ):
        self.program, self.leaves = program, frozen[0]
        mesh = devices.mesh()
        spread = len(states) % mesh.size == 0
        self.by_member = NamedSharding(mesh, P(("data", "fsdp")) if spread else P())
        self.stacked = jax.device_put(_stack(states), self.by_member)
        shared = {p: all(other[p] is leaf for other in frozen) for p, leaf in frozen[0].items()}
        self.frozen = {
            p: jax.device_put(leaf, NamedSharding(mesh, P()))
            if shared[p]
            else jax.device_put(_stack([other[p] for other in frozen]), self.by_member)
            for p, leaf in frozen[0].items()
        }
        self.step = mapped_step(program, self.by_member, tuple(shared.items()))
        self.count = len(states)

    def advance(self, rows, frames, hypers, active) -> np.ndarray:
        del active  # the later states of a stopped member are not read
        batch = self._placed(rows, frames, hypers)
        self.stacked, metrics = self.step(self.stacked, self.frozen, *batch)
        return np.asarray(metrics.loss, np.float64)

    def states(self) -> list[TrainState]:
        return [jax.tree.map(lambda x, i=i: x[i], self.stacked) for i in range(self.count)]

    def calls(self, rows: Rows, frame: PromptFrame, hyper: Hyper) -> list[Call]:
        return []  # one process has all members, so there is no other worker to compile

    def compiled(self, rows: Rows, frame: PromptFrame, hyper: Hyper) -> Any:
        """The executable of all members' step."""
        count = self.count
        batch = self._placed([rows] * count, [frame] * count, [hyper] * count)
        return self.step.compiled(self.stacked, self.frozen, *batch)

    def cost(self, rows: Rows, frame: PromptFrame, hyper: Hyper) -> dict[str, float | None]:
        """Cost of one member's step, compiled separately."""
        state = jax.tree.map(lambda x: x[0], self.stacked)
        return cost_alone(self.program, state, self.leaves, rows, frame, hyper)

    def _placed(
        self, rows: Sequence[Rows], frames: Sequence[PromptFrame], hypers: Sequence[Hyper]
    ) -> tuple[Any, Any, Any]:
        """The arguments of all members, stacked and placed on the devices."""
        stacked = (_stack(rows), _stack(_padded(frames)), _stack(hypers))
        return jax.device_put(stacked, self.by_member)


def cohort_on(
    program: Program, devices: Devices, states: list[TrainState], frozen: list[Leaves]
) -> Cohort:
    """The cohort of members with these states and frozen leaves on `devices`."""
    kind = Together if devices.vmapped() else OneByOne
    return kind(program, devices, states, frozen)


@functools.lru_cache
def mapped_step(
    program: Program, by_member: NamedSharding, shared: tuple[tuple[str, bool], ...]
) -> Executable:
    """The vmapped step, one object for all cohorts, so that nothing compiles twice."""
    axes = (0, {path: None if is_shared else 0 for path, is_shared in shared}, 0, 0, 0)
    mapped = jax.vmap(partial(train_step, program), in_axes=axes)
    return Executable(jax.jit(mapped, donate_argnums=0, out_shardings=by_member))


def _padded(frames: Sequence[PromptFrame]) -> list[PromptFrame]:
    """The frames with their prefixes padded to one length."""
    size = max(len(frame.prefix_ids) for frame in frames)
    padded = [np.pad(frame.prefix_ids, (0, size - len(frame.prefix_ids))) for frame in frames]
    return [f._replace(prefix_ids=ids) for f, ids in zip(frames, padded, strict=True)]


def _stack(trees: Sequence[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)
