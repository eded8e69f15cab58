"""What adapting a backbone did to its general ability, and how foreign the task's text is to it."""

from typing import Any

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.lm_loss import UNDEFINED
from research.evaluation.predictor import AdaptedWeights
from research.methods.method import Leaves
from research.methods.shared.leaves import backbone
from research.runs.context import RunContext
from research.runs.held_out_text import PASSAGE, as_long, own_text, task_text
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
    """Losses on plain text in nats a token; None where the experiment names no held-out text.

    before, after: on held-out text, of the unadapted backbone and of `weights`, with all that
    their methods do at work (a soft prompt stands before each passage), without the task's prompt.
    removable: whether taking the methods' own leaves away gives the first again, so that what was
    lost comes back whenever the task is not served. task, as_long: of the unadapted backbone, on
    the task's inputs and on held-out passages of the same lengths. undefined: why there is none.
    changed: the leaves that training changed. room: positions that are left for a row. bos:
    whether BOS stands before each passage.
    """
    if context.held_out is None:
        return None
    if route in UNDEFINED:
        return {"undefined": UNDEFINED[route]}
    stream, opening = context.held_out, special_tokens(route, context.tokenizer, bos).prefix_ids
    size = min(PASSAGE, room - len(opening))
    frame, frozen = prompt_frame(opening), AdaptedWeights((), context.backbone.params)

    def loss(weights: AdaptedWeights, texts: Encoded) -> float:
        return context.predictor.loss(weights, EncodedPrompts(texts, frame))

    def foreign() -> dict[str, float]:
        texts = task_text(task, context.tokenizer, size)
        foreign = {"task": texts, "as_long": as_long(stream, texts)}
        return {name: loss(frozen, rows) for name, rows in foreign.items()}

    own = own_text(stream, size)
    before = context.caches.losses(("held_out", size), lambda: loss(frozen, own))
    return {
        "before": before,
        "after": loss(weights, own) if changed else before,
        "removable": not backbone(changed),
        **context.caches.losses(("task", task.checksum, size), foreign),
    }
