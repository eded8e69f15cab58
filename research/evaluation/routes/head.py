"""The route of encoders with a classification head: one score per class, no label texts."""

import jax
import jax.numpy as jnp

from research.evaluation.batch import Frame, Rows
from research.evaluation.routes.row import closed, pick, row_keys, segments
from research.methods.adapted import Adapted
from research.tasks.encoded import Labels


def target_logprobs(
    adapted: Adapted,
    rows: Rows,
    frame: Frame,
    key: jax.Array | None = None,
    smoothing: float = 0.0,
):
    logits = _classified(adapted, rows, frame, row_keys(rows, key))
    return pick(logits, rows.label, smoothing)[:, None], (rows.length > 0)[:, None]


def label_scores(adapted: Adapted, rows: Rows, frame: Frame, labels: Labels) -> jax.Array:
    del labels
    return jax.nn.log_softmax(_classified(adapted, rows, frame))


def _classified(
    adapted: Adapted, rows: Rows, frame: Frame, keys: jax.Array | None = None
) -> jax.Array:
    """[B, C] logits in float32."""
    tokens, valid = closed(rows.tokens, rows.start, frame, jnp.zeros_like(rows.start), 0)
    types = segments(tokens, frame, adapted.model.config.types)
    around = (frame.opening, frame.length)
    return adapted.classes(adapted.read(tokens, valid, *around, types, keys, adapted.pools_first))
