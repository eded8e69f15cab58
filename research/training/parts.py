"""Splits a cohort into parts that fit in device memory."""

from collections.abc import Sequence
from functools import partial

import jax

from research.runtime.devices import Devices, device_memory
from research.runtime.memory import peak_bytes
from research.training.batches import Shapes
from research.training.member import Member, batch_like
from research.training.step import Program, init_state
from research.training.step_cost import cost_alone

# Vmapping 2 to 8 members takes up to 10 % more memory than as many single runs.
USABLE_SHARE = 0.9


def fitting(
    program: Program, devices: Devices, members: Sequence[Member], shapes: Shapes
) -> int | None:
    """Number of members that fit in device memory, from the memory of one member's widest step.

    None for any number, if members are trained one after another or the memory is unknown.
    """
    memory = device_memory()
    if memory is None or not devices.vmapped() or len(members) == 1:
        return None
    first = members[0]
    trained, frozen = first.split()
    state = jax.eval_shape(partial(init_state, program), jax.random.PRNGKey(0), trained)
    batch = batch_like(program, first, shapes.longest, shapes)
    peak = peak_bytes(cost_alone(program, state, frozen, batch, first.frame, first.hyper))
    if peak is None:
        return None
    shared = sum(
        leaf.nbytes
        for path, leaf in frozen.items()
        if all(other.leaves[path] is leaf for other in members)
    )
    return max(1, int((USABLE_SHARE * memory - shared) // (peak - shared)))


def split_members(members: int, most: int | None, devices: int) -> list[int]:
    """Sizes of the parts, in order.

    A part whose size is a multiple of `devices` is distributed over them; any other part is
    computed whole on each.

    Args:
        members: number of members.
        most: maximum number of members on one device; None for no limit.
        devices: number of devices.
    """
    if most is None or members <= most:
        return [members]
    sizes = []
    while (left := members - sum(sizes)) > 0:
        spread = min(left // devices, most) * devices
        sizes.append(spread or min(left, most))
    return sizes
