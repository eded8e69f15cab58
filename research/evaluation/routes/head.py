"""The route of encoders with a head: one score per class, without label texts; or one number.

The log-probability of a number is that of a Gaussian around the output with variance 1/2, less a
constant, so that training minimises the squared error.
"""

import jax
import jax.numpy as jnp

from research.common.errors import InputError
from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.routes.row import closed, pick, row_keys, segments
from research.methods.adapted import Adapted
from research.tasks.encoding.encoded import Labels


def target_logprobs(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    key: jax.Array | None = None,
    smoothing: float = 0.0,
):
    outputs, counted = _outputs(adapted, rows, frame, row_keys(rows, key)), rows.length > 0
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
    adapted: Adapted, rows: Rows, frame: PromptFrame, keys: jax.Array | None = None
) -> jax.Array:
    """[B, C] logits, or [B, 1] numbers, in float32."""
    tokens, valid = closed(
        rows.tokens, rows.prompt_length, frame, jnp.zeros_like(rows.prompt_length), 0
    )
    types = segments(tokens, frame, adapted.model.config.types)
    around = (frame.prefix_ids, frame.prefix_length)
    return adapted.classes(adapted.encode(tokens, valid, *around, types, keys, adapted.pools_first))
