"""The route of backbones with a head: one score per class, without label texts; or one number.

The log-probability of a number is that of a Gaussian around the output with variance 1/2, less a
constant, so that training minimises the squared error.
"""

import jax
import jax.numpy as jnp

from research.common.errors import InputError
from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.routes.causal import last_states
from research.evaluation.routes.row import closed, pick, random_keys, segments
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
    outputs, counted = _outputs(adapted, rows, frame, key), rows.length > 0
    if not _is_number(rows):
        return pick(outputs, rows.label, smoothing)[:, None], counted[:, None]
    if smoothing:
        raise InputError("schedule.label_smoothing", smoothing, "a number has no classes")
    return -jnp.square(outputs - rows.label[:, None]), counted[:, None]


def label_scores(adapted: Adapted, rows: Rows, frame: PromptFrame, labels: Labels) -> jax.Array:
    """Log-probabilities of the classes [B, C], or the number itself [B, 1]."""
    del labels
    outputs = _outputs(adapted, rows, frame)
    return outputs if _is_number(rows) else jax.nn.log_softmax(outputs)


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
