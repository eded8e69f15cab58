"""FLOPs and memory of a training step."""

import functools
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np

from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.routes.token_logprobs import uncounted_flops
from research.methods.adapted import Adapted
from research.methods.method import Leaves
from research.models.layers.stack import loops_unrolled
from research.runtime.executable import Executable, compiled_cost
from research.training.step import Hyper, Program, TrainState, train_step


@functools.lru_cache
def _alone(program: Program) -> Executable:
    return Executable(jax.jit(partial(train_step, program), donate_argnums=0))


def cost_alone(program: Program, *args: Any) -> dict[str, float | None]:
    """Cost of a step without micro-batches, since XLA counts a loop's body only once."""
    whole = replace(program, schedule=replace(program.schedule, accumulate=1))
    shapes = _shapes(args)
    return step_cost(whole, _alone(whole).compiled(*shapes), *shapes)


def step_cost(
    program: Program,
    compiled: Any,
    state: TrainState,
    frozen: Leaves,
    rows: Rows,
    frame: PromptFrame,
    hyper: Hyper,
) -> dict[str, float | None]:
    """Cost of a compiled step, with the FLOPs of all chunks of its logits and of all layers."""
    cost, leaves = compiled_cost(compiled), {**frozen, **state.trained}
    if cost["flops"] is None:
        return cost
    adapted = Adapted(program.model, hyper.methods, leaves)
    if adapted.route != "head":
        cost["flops"] += uncounted_flops(program.model, rows.target.shape, state.trained)
    if program.model.scan_layers:
        args = _shapes((state, frozen, rows, frame, hyper))
        with loops_unrolled():
            all_layers = _traced_flops(program, args)
        cost["flops"] += all_layers - _traced_flops(program, args)
    return cost


def _traced_flops(program: Program, args: Any) -> float:
    """XLA's count of the FLOPs of a step that it has not optimized."""

    def step(*args: Any) -> Any:  # a function that JAX has not traced yet
        return train_step(program, *args)

    return (jax.jit(step).lower(*args).cost_analysis() or {}).get("flops", 0.0)


def _shapes(tree: Any) -> Any:
    """The tree with shapes in place of arrays."""
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype), tree)
