"""FLOPs and memory of a training step."""

import functools
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from research.runtime.executable import Executable, compiled_cost
from research.training.step import Program, train_step


@functools.lru_cache
def _alone(program: Program) -> Executable:
    return Executable(jax.jit(partial(train_step, program), donate_argnums=0))


def cost_alone(program: Program, *args: Any) -> dict[str, float | None]:
    """Cost of a step without micro-batches, since XLA counts a loop's body only once."""
    whole = replace(program, schedule=replace(program.schedule, accumulate=1))
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype), args)
    return compiled_cost(_alone(whole).compiled(*shapes))
