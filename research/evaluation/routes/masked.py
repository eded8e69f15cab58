"""The route of encoders with a masked-LM head: each token of a label is predicted at a mask.

The prompt is followed by as many masks as the label has tokens; the score is the sum of the
log-probabilities of the label's tokens at their masks: the pseudo-log-likelihood with one mask per
label token, the training objective of Schick & Schuetze 2021 (arXiv 2009.07118, section 3.1). The
tokens of a label do not see one another, so that no token makes another one likelier.
"""

import jax
import jax.numpy as jnp

from research.evaluation.batch import PromptFrame, Rows
from research.evaluation.routes.row import closed, each_key, random_keys, segments
from research.evaluation.routes.token_logprobs import token_logprobs
from research.methods.adapted import Adapted
from research.methods.encoder_output import encode_rows
from research.methods.method import Array
from research.tasks.encoding.encoded import Labels


def target_logprobs(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    key: jax.Array | None = None,
    smoothing: float = 0.0,
):
    count = rows.length - rows.prompt_length
    slots = jnp.arange(rows.target.shape[1], dtype=jnp.int32)[None]
    hidden = _at_masks(
        adapted,
        rows.tokens,
        rows.prompt_length,
        frame,
        count,
        rows.target.shape[1],
        random_keys(rows, key),
    )
    logprobs = token_logprobs(adapted, hidden, rows.target, smoothing)
    return logprobs, slots < count[:, None]


def label_scores(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    labels: Labels,
    key: jax.Array | None = None,
) -> jax.Array:
    """Labels of one length share a forward pass: row i is encoded with 1, 2, ... L masks."""
    keys = random_keys(rows, key)
    size, (classes, most) = len(rows.tokens), labels.tokens.shape
    counts = jnp.arange(1, most + 1, dtype=jnp.int32)
    hidden = _at_masks(
        adapted,
        jnp.repeat(rows.tokens, most, axis=0),
        jnp.repeat(rows.prompt_length, most),
        frame,
        jnp.tile(counts, size),
        most,
        each_key(keys, most),
    )
    tokens = jnp.broadcast_to(jnp.transpose(labels.tokens), (len(hidden), most, classes))
    logprobs = token_logprobs(adapted, hidden, tokens).reshape(size, most, most, classes)
    masks, slots = labels.length[:, None] - 1, jnp.arange(most)[None]
    logprobs = logprobs[:, masks, slots, jnp.arange(classes)[:, None]]  # [B, C, L]
    return jnp.where((slots <= masks)[None], logprobs, 0.0).sum(-1)


def _at_masks(
    adapted: Adapted,
    tokens: Array,
    prompt_length: Array,
    frame: PromptFrame,
    count: Array,
    most: int,
    keys: jax.Array | None = None,
) -> jax.Array:
    """Hidden states [B, most, D] at the `count` [B] masks after each prompt; junk after these."""
    written, valid = closed(tokens, prompt_length, frame, count, most)
    types = segments(written, frame, adapted.model.config.types)
    around = (frame.prefix_ids, frame.prefix_length)
    output = encode_rows(adapted, written, valid, *around, types, keys)
    slots = (
        output.prompt_embeddings + prompt_length[:, None] + jnp.arange(most, dtype=jnp.int32)[None]
    )
    slots = jnp.minimum(slots, output.hidden.shape[1] - 1)
    return jnp.take_along_axis(output.hidden, slots[..., None], axis=1)
