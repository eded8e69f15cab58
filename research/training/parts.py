"""How many members of a cohort fit in device memory at once."""

from collections.abc import Sequence
from functools import partial

import jax

from research.methods.method import mask, split
from research.runtime.devices import Devices, device_memory
from research.runtime.memory import peak_bytes
from research.training.batches import Shapes
from research.training.cohort import cost_alone
from research.training.member import Member, batch_like
from research.training.step import Program, init_state

FREE = 0.9  # a program of 2 to 8 members takes up to a tenth more than as many times one of one


def fitting(
    program: Program, devices: Devices, members: Sequence[Member], shapes: Shapes
) -> int | None:
    """How many members a device has memory for, by what a step of one takes whose rows are the
    widest there are. None: any number, as where the host calls one after the other.
    """
    room = device_memory()
    if room is None or not devices.vmapped() or len(members) == 1:
        return None
    one = members[0]
    trained, frozen = split(one.leaves, mask(one.hyper.methods[-one.training :], one.leaves))
    state = jax.eval_shape(partial(init_state, program), jax.random.PRNGKey(0), trained)
    batch = batch_like(program, one, shapes.longest, shapes)
    taken = peak_bytes(cost_alone(program, state, frozen, batch, one.frame, one.hyper))
    if taken is None:
        return None
    shared = sum(
        leaf.nbytes
        for path, leaf in frozen.items()
        if all(other.leaves[path] is leaf for other in members)
    )
    return max(1, int((FREE * room - shared) // (taken - shared)))


def split_members(members: int, most: int | None, devices: int) -> list[int]:
    """Sizes of parts, in order: members whose number divides by that of the devices are spread
    over them, any others are all on each.
    """
    if most is None or members <= most:
        return [members]
    sizes = []
    while (left := members - sum(sizes)) > 0:
        spread = min(left // devices, most) * devices
        sizes.append(spread or min(left, most))
    return sizes
