"""The scorer: log-probabilities of targets and labels, by the model's route.

Training minimises what scoring measures: `target_logprobs` is the objective's, `label_scores`
sums the same numbers for every candidate label.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.common.errors import InputError
from research.evaluation.batch import EncodedPrompts, PromptFrame, Rows
from research.evaluation.routes import causal, head, masked, seq2seq
from research.evaluation.routes.row import pick
from research.methods.adapted import Adapted
from research.methods.method import Method
from research.models.model import Model
from research.tasks.encoding.encoded import Labels
from research.tasks.encoding.special_tokens import Route

ROUTES = {"causal": causal, "seq2seq": seq2seq, "masked": masked, "head": head}


def route_of(model: Model, methods: Sequence[Method]) -> Route:
    """The route of a model with these methods. Raises InputError where there is none."""
    heads = [method for method in methods if method.is_head]
    if heads:
        _check_pool(model, heads[0])
        return "head"
    if model.ROUTE == "masked" and not model.config.masked_lm:
        names = [method.name for method in methods]
        allowed = "the backbone has no masked-LM head: the method 'head' is needed"
        raise InputError("methods", names, allowed)
    return model.ROUTE


def _check_pool(model: Model, head: Any) -> None:
    """Raises InputError for a pool that the model has not."""
    if model.ROUTE == "seq2seq":
        allowed = "a seq2seq backbone carries no classification head; load it as T5EncoderModel"
        raise InputError("method", "head", allowed)
    pools = ("last",) if model.ROUTE == "causal" else ("first", "mean")
    if head.pool not in pools:
        kind = "a decoder" if model.ROUTE == "causal" else "an encoder"
        allowed = f"the head of {kind} reads {' or '.join(map(repr, pools))}"
        raise InputError("head.pool", head.pool, allowed)


def check_prompts(adapted: Adapted, prompts: EncodedPrompts) -> None:
    """Raises InputError for a decoder's row whose first target no token of the row predicts.

    A single id before all rows is a part of them; a longer prefix and soft prompts are not.
    """
    rows = prompts.rows
    empty = (rows.prompt_length < 1) & (rows.length > 0)
    if not empty.any() or adapted.route != "causal":
        return
    if not causal.rows_have_opening(adapted, prompts.frame):
        allowed = "its prompt has no token, and the model predicts the answer from its last one"
        raise InputError("example", int(np.argmax(empty)), allowed)


def target_logprobs(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    key: jax.Array | None = None,
    smoothing: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """(log p [B, L], counted [B, L] bool) of each row's target tokens given all before them.

    With a head there is one column, the right class or number.

    Args:
        adapted: the adapted backbone.
        rows: the batch.
        frame: the ids around every row.
        key: the step's random key in training; row i uses `fold_in(key, rows.row_index[i] + 1)`.
        smoothing: label smoothing in training.
    """
    return ROUTES[adapted.route].target_logprobs(adapted, rows, frame, key, smoothing)


def label_scores(
    adapted: Adapted, rows: Rows, frame: PromptFrame, labels: Labels | None = None
) -> jax.Array:
    """Summed log-probability of every label's tokens after each row's prompt, [B, C].

    For a task whose answer is a number it is that number, [B, 1]. The target tokens of the rows
    are ignored.

    Args:
        adapted: the adapted backbone.
        rows: the batch.
        frame: the ids around every row.
        labels: those that all rows share; None for each row's own choices, where a choice that a
            row lacks has the score -inf.
    """
    return ROUTES[adapted.route].label_scores(adapted, rows, frame, _labels(rows, labels))


def choice_logprobs(
    adapted: Adapted, rows: Rows, frame: PromptFrame, key: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """(log p [B, 1], counted [B, 1] bool) of each row's right choice against its other choices.

    It is the softmax over the summed log-probabilities of the choices' tokens.

    Args:
        adapted: the adapted backbone.
        rows: the batch.
        frame: the ids around every row.
        key: the step's random key in training, as in `target_logprobs`.
    """
    counted = jnp.asarray(rows.length > 0)[:, None]
    scores = ROUTES[adapted.route].label_scores(adapted, rows, frame, _labels(rows, None), key)
    return pick(scores, jnp.asarray(rows.label))[:, None], counted


def _labels(rows: Rows, labels: Labels | None) -> Labels:
    """The labels, or the rows' own choices for None."""
    labels = rows.choices if labels is None else labels
    assert labels is not None  # rows without choices are scored by labels
    return labels
