"""What a run asks of a machine by formula, from shapes: FLOPs, optimizer state, keys and values."""

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
from research.runs.costs.flops import route_flops, step_flops
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
    """Of the step whose cost `outcome` has, by `step_flops`; None where there was no step.

    leaves: of the run in the end. methods: those at work while it trained. Soft prompts and the
    opening are met with every row, by most causal models once for all; per-layer prefixes by none.
    """
    if not outcome.progress.shape:
        return None
    width, targets = outcome.progress.shape
    rows = schedule.batch_size
    met = {**leaves, **outcome.trained}
    adapted = Adapted(model, tuple(methods), met)
    before = len(frame.prefix_ids) + sum(len(prompt) for prompt in adapted.soft_prompts())
    once = model.ROUTE == "causal" and not rows_have_opening(adapted, frame)
    tokens = width + len(frame.suffix_ids) + (before / rows if once else before)
    return step_flops(
        met, outcome.trained, rows, tokens, *route_flops(model.ROUTE, methods, targets)
    )


def optimizer_bytes(schedule: Schedule, trained: Leaves) -> int:
    """What the optimizer keeps between steps for these leaves, which are float32."""
    shapes = {path: jax.ShapeDtypeStruct(leaf.shape, jnp.float32) for path, leaf in trained.items()}
    state = jax.eval_shape(partial(_begun, schedule), shapes)
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))


def _begun(schedule: Schedule, trained: Leaves):
    zero = jnp.zeros(())
    return optimizer(schedule, zero, zero).init(trained)


def request_costs(
    model: Model, prompts: Sequence[RunData], positions: int, itemsize: int
) -> dict[str, Any]:
    """What stands before the answer to an example of test, in the mean: positions of the frame with
    its demonstrations, of the prompt and of methods, and bytes of their keys and values. An
    ensemble reads all its prompts.
    """
    tokens = sum(
        float(one.test.prompt_length.mean())
        + int(one.frame.prefix_length)
        + len(one.frame.suffix_ids)
        + positions
        for one in prompts
    )
    return {
        "request_tokens": round(tokens, 2),
        "cache_bytes": round(tokens * cache_bytes(model, itemsize)),
    }


def cache_bytes(model: Model, itemsize: int) -> int:
    """Of the keys and values that are kept of a token while its request is answered.

    A causal model keeps those of each layer and key head; a decoder with an encoder those of its
    cross-attention, of each token of the input; an encoder alone keeps none.
    """
    if model.ROUTE == "masked":
        return 0
    config = model.config
    layers = config.decoder_layers if model.ROUTE == "seq2seq" else config.layers
    heads = getattr(config, "kv_heads", config.heads)
    return 2 * layers * heads * config.head_width * itemsize
