"""The route of backbones with a head: one score per class, without label texts; or one number.

The log-probability of a number is that of a Gaussian around the output with variance 1/2, less a
constant, so that training minimises the squared error.
"""

import jax
import jax.numpy as jnp

from research.common.errors import InputError
from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.routes.causal import with_prefix
from research.evaluation.routes.row import closed, pick, random_keys, segments
from research.methods.adapted import Adapted, EncoderOutput
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
        return adapted.classes(_last_position(adapted, whole, frame, key))
    types, keys = segments(tokens, frame, adapted.model.config.types), random_keys(rows, key)
    around = (frame.prefix_ids, frame.prefix_length)
    return adapted.classes(adapted.encode(tokens, valid, *around, types, keys, adapted.pools_first))


def _last_position(
    adapted: Adapted, rows: Rows, frame: PromptFrame, key: jax.Array | None
) -> EncoderOutput:
    """A decoder's output [B, 1, D] at the last token of each row."""
    keys = random_keys(rows, key)
    memories, offset, rows = with_prefix(adapted, rows, frame, key)
    slots = jnp.arange(rows.tokens.shape[1], dtype=jnp.int32)[None]
    last = jnp.asarray(rows.length)[:, None] - 1
    hidden, _ = adapted.rows(
        rows.tokens,
        slots < rows.length[:, None],
        jnp.broadcast_to(offset + slots, rows.tokens.shape),
        memories,
        keys=keys,
        at=last,
    )
    return EncoderOutput(hidden, jnp.ones_like(last, bool), offset + last, 0, 0)
