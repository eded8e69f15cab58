"""Costs computed from shapes: FLOPs of a step, optimizer state, keys and values of a request."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from research.evaluation.batch import PromptFrame
from research.evaluation.routes.causal import rows_have_opening
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method
from research.models.model import Model
from research.runs.costs.flops import method_step_flops
from research.runs.data import RunData
from research.training.member import Outcome
from research.training.optimizer import Schedule, optimizer


def formula_flops(
    outcome: Outcome,
    schedule: Schedule,
    leaves: Leaves,
    methods: Sequence[Method],
    frame: PromptFrame,
    model: Model,
) -> float | None:
    """FLOPs of the widest training step of a stage; None if no step was done.

    Most causal models compute soft prompts and the frame's prefix once for all rows. Per-layer
    prefixes pass through no kernel.

    Args:
        outcome: the outcome of the stage.
        schedule: its schedule.
        leaves: the final leaves of the run.
        methods: the methods at work while the stage trained.
        frame: the prompt frame of its rows.
        model: the model.
    """
    if not outcome.progress.shape:
        return None
    width, targets = outcome.progress.shape
    stage_leaves = {**leaves, **outcome.trained}
    adapted = Adapted(model, tuple(methods), stage_leaves)
    return method_step_flops(
        stage_leaves,
        outcome.trained,
        methods,
        model.ROUTE,
        rows=schedule.batch_size,
        tokens=width + len(frame.suffix_ids),
        before=len(frame.prefix_ids) + sum(len(prompt) for prompt in adapted.soft_prompts()),
        shared=model.ROUTE == "causal" and not rows_have_opening(adapted, frame),
        targets=targets,
    )


def optimizer_bytes(schedule: Schedule, trained: Leaves) -> int:
    """Bytes of the optimizer state of these leaves, in float32."""
    shapes = {path: jax.ShapeDtypeStruct(leaf.shape, jnp.float32) for path, leaf in trained.items()}
    state = jax.eval_shape(partial(_optimizer_state, schedule), shapes)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))


def _optimizer_state(schedule: Schedule, trained: Leaves):
    zero = jnp.zeros(())
    return optimizer(schedule, zero, zero).init(trained)


def request_costs(
    model: Model, prompts: Sequence[RunData], positions: int, itemsize: int
) -> dict[str, Any]:
    """Mean tokens before the answer to a test example, and bytes of their keys and values.

    The tokens are those of the prompt frame with its demonstrations, of the example's prompt and of
    the methods, summed over all prompts of an ensemble.

    Args:
        model: the backbone.
        prompts: the data of each prompt of the ensemble.
        positions: positions that the methods add.
        itemsize: bytes of a number.
    """
    tokens = sum(
        float(prompt.test.prompt_length.mean())
        + int(prompt.frame.prefix_length)
        + len(prompt.frame.suffix_ids)
        + positions
        for prompt in prompts
    )
    return {
        "request_tokens": round(tokens, 2),
        "cache_bytes": round(tokens * cache_bytes(model, itemsize)),
    }


def cache_bytes(model: Model, itemsize: int) -> int:
    """Bytes of the keys and values of one input token.

    A causal model stores them for each layer and key head. A decoder with an encoder stores those
    of its cross-attention. An encoder alone stores none.
    """
    if model.ROUTE == "masked":
        return 0
    config = model.config
    layers = config.decoder_layers if model.ROUTE == "seq2seq" else config.layers
    heads = getattr(config, "kv_heads", config.heads)
    return 2 * layers * heads * config.head_width * itemsize
