"""The route of backbones with a head: one score per class, without label texts; or one number.

The log-probability of a number is that of a Gaussian around the output with variance 1/2, less a
constant, so that training minimises the squared error.
"""

import jax
import jax.numpy as jnp

from research.common.errors import InputError
from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.routes.causal import last_states
from research.evaluation.routes.row import (
    closed,
    each_choice,
    pick,
    random_keys,
    segments,
    without_absent,
)
from research.methods.adapted import Adapted
from research.methods.encoder_output import encode_rows, pooled_states
from research.tasks.encoding.encoded import Labels


def target_logprobs(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    key: jax.Array | None = None,
    smoothing: float = 0.0,
):
    counted = rows.length > 0
    if rows.choices is not None:
        logprobs = _choice_logprobs(adapted, rows, frame, rows.choices, key)
        return pick(logprobs, rows.label)[:, None], counted[:, None]
    outputs = _outputs(adapted, rows, frame, key)
    if not _is_number(rows):
        return pick(outputs, rows.label, smoothing)[:, None], counted[:, None]
    if smoothing:
        raise InputError("schedule.label_smoothing", smoothing, "a number has no classes")
    return -jnp.square(outputs - rows.label[:, None]), counted[:, None]


def label_scores(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    labels: Labels,
    key: jax.Array | None = None,
) -> jax.Array:
    """Log-probabilities of classes or of a row's choices [B, C], or the number itself [B, 1]."""
    if labels.tokens.ndim == 3:
        return _choice_logprobs(adapted, rows, frame, labels, key)
    outputs = _outputs(adapted, rows, frame, key)
    return outputs if _is_number(rows) else jax.nn.log_softmax(outputs)


def _choice_logprobs(
    adapted: Adapted, rows: Rows, frame: PromptFrame, choices: Labels, key: jax.Array | None
) -> jax.Array:
    """[B, C] softmax of the head's one output over a row's choices, each read after the prompt."""
    (size, count, longest), width = choices.tokens.shape, rows.tokens.shape[1]
    tokens, length = each_choice(choices.tokens, size, True), jnp.reshape(choices.length, -1)
    starts = jnp.repeat(rows.prompt_length, count)
    slots = jnp.arange(width + longest, dtype=jnp.int32)[None] - starts[:, None]
    prompts = jnp.pad(jnp.repeat(rows.tokens, count, axis=0), ((0, 0), (0, longest)))
    chosen = jnp.take_along_axis(tokens, jnp.clip(slots, 0, longest - 1), axis=1)
    pairs = Rows(
        tokens=jnp.where(slots < 0, prompts, chosen),
        length=starts + length,
        prompt_length=starts + length,
        target=jnp.zeros_like(tokens[:, :1]),
        label=jnp.zeros_like(starts),
        row_index=jnp.repeat(rows.row_index, count),
    )
    outputs = _outputs(adapted, pairs, frame, key)
    return jax.nn.log_softmax(without_absent(outputs.reshape(size, count), choices, rows.length))


def _is_number(rows: Rows) -> bool:
    return jnp.issubdtype(rows.label.dtype, jnp.floating)


def _outputs(
    adapted: Adapted, rows: Rows, frame: PromptFrame, key: jax.Array | None = None
) -> jax.Array:
    """[B, C] logits, or [B, 1] numbers, in float32."""
    tokens, valid = closed(
        rows.tokens, rows.prompt_length, frame, jnp.zeros_like(rows.prompt_length), 0
    )
    if adapted.model.ROUTE == "causal":
        length = valid.sum(axis=1, dtype=jnp.int32)
        whole = rows._replace(tokens=tokens, prompt_length=length, length=length)
        return adapted.classes(last_states(adapted, whole, frame, key))
    types, keys = segments(tokens, frame, adapted.model.config.types), random_keys(rows, key)
    around, first = (frame.prefix_ids, frame.prefix_length), adapted.pool == "first"
    output = encode_rows(adapted, tokens, valid, *around, types, keys, first)
    return adapted.classes(pooled_states(adapted, output))
