"""Memory of a cohort of runs on one device."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from research.evaluation.batch import prompt_frame
from research.runtime.devices import Devices
from research.studies.scale.configuration import StepConfiguration
from research.studies.scale.memory import HELD, temporary
from research.training.cohort import mapped_step
from research.training.step import Hyper


def together(parts: dict[str, int], members: int) -> int:
    """Bytes of members in one vmapped program: frozen weights once, the rest for each member."""
    frozen = parts["frozen weights"]
    per_member = sum(parts[name] for name in HELD) - frozen + temporary(parts)
    return frozen + members * per_member


def in_turn(parts: dict[str, int], members: int) -> int:
    """Bytes of members stepped one after the other: the states of all, and one step."""
    states = parts["trained weights"] + parts["optimizer state"]
    return parts["frozen weights"] + members * states + parts["batch"] + temporary(parts)


def compile_together(setting: StepConfiguration, members: int, devices: int = 1) -> Any:
    """The compiled program of a cohort whose members are spread over `devices`."""
    mesh = Devices(count=devices).mesh()
    by_member = NamedSharding(mesh, P(("data", "fsdp")) if members % devices == 0 else P())

    def stacked(leaf: Any) -> Any:
        shape = (members, *np.shape(leaf))
        return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=by_member)

    replicated = NamedSharding(mesh, P())
    shared = partial(jax.tree.map, lambda x: _placed(x, replicated))
    methods: Any = (jax.tree.map(np.float32, setting.method),)
    hyper = Hyper(methods, np.float32(1e-3), np.float32(0.0))
    frozen = setting.parts[1]
    members_own = jax.tree.map(stacked, (setting.state, setting.batch, prompt_frame(), hyper))
    step = mapped_step(setting.program, by_member, tuple((path, True) for path in frozen))
    return step.compiled(members_own[0], shared(frozen), *members_own[1:])


def _placed(leaf: Any, sharding: NamedSharding) -> Any:
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)
