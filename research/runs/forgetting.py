"""Forgetting: the adapted backbone's loss on plain text, before and after."""

from typing import Any

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.lm_loss import UNDEFINED
from research.evaluation.predictor import AdaptedWeights
from research.methods.method import Leaves
from research.methods.shared.leaves import backbone
from research.runs.context import RunContext
from research.runs.held_out_text import (
    PASSAGE,
    held_out_passages,
    passages_as_long,
    task_text,
)
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.special_tokens import Bos, Route, special_tokens
from research.tasks.task import Task


def measure_forgetting(
    context: RunContext,
    route: Route,
    weights: AdaptedWeights,
    changed: Leaves,
    room: int,
    task: Task,
    bos: Bos = "tokenizer",
) -> dict[str, Any] | None:
    """Losses on plain text in nats per token; None if the experiment has no held-out text.

    The adapted backbone is evaluated with its methods (a soft prompt stands before each passage)
    and without the task's prompt.

    Args:
        context: the resources of the experiment.
        route: how targets are predicted.
        weights: the adapted backbone.
        changed: the leaves that training changed.
        room: positions that are left for a row.
        task: the run's task.
        bos: whether BOS stands before each passage.

    Returns:
        The fields of `research.records.measurements.Forgetting`.
    """
    if context.held_out is None:
        return None
    if route in UNDEFINED:
        return {"undefined": UNDEFINED[route]}
    stream, prefix_ids = context.held_out, special_tokens(route, context.tokenizer, bos).prefix_ids
    size = min(PASSAGE, room - len(prefix_ids))
    frame, frozen = prompt_frame(prefix_ids), AdaptedWeights((), context.backbone.params)

    def loss(weights: AdaptedWeights, texts: Encoded) -> float:
        return context.predictor.loss(weights, EncodedPrompts(texts, frame))

    def task_losses() -> dict[str, float]:
        texts = task_text(task, context.tokenizer, size)
        encoded = {"task": texts, "as_long": passages_as_long(stream, texts)}
        return {name: loss(frozen, rows) for name, rows in encoded.items()}

    held_out = held_out_passages(stream, size)
    before = context.caches.losses(("held_out", size), lambda: loss(frozen, held_out))
    return {
        "before": before,
        "after": loss(weights, held_out) if changed else before,
        "removable": not backbone(changed),
        **context.caches.losses(("task", task.checksum, size), task_losses),
    }
