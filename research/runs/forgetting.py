"""What adapting a backbone did to its general ability, and how foreign the task's text is to it."""

from functools import partial
from typing import Any

from research.evaluation.batch import frame
from research.evaluation.lm_loss import UNDEFINED, text_loss
from research.methods.method import Leaves, Method, backbone
from research.runs.context import Bench
from research.runs.held_out_text import PASSAGE, as_long, own_text, task_text
from research.tasks.encoding.special_tokens import Route, form
from research.tasks.task import Task


def ability(
    bench: Bench,
    route: Route,
    methods: tuple[Method, ...],
    leaves: Leaves,
    changed: Leaves,
    room: int,
    task: Task,
) -> dict[str, Any] | None:
    """Losses on plain text in nats a token; None where the experiment names no held-out text.

    before, after: on held-out text, of the backbone as it came and of `leaves`, with all that
    `methods` do at work (a soft prompt stands before each passage), without the task's prompt.
    removable: whether taking the methods' own leaves away gives the first again, so that what was
    lost comes back whenever the task is not served. task, as_long: of the backbone as it came, on
    the task's inputs and on held-out passages of the same lengths. undefined: why there is none.
    changed: the leaves that training changed. room: positions that are left for a row.
    """
    if bench.held_out is None:
        return None
    if route in UNDEFINED:
        return {"undefined": UNDEFINED[route]}
    stream, opening = bench.held_out, form(route, bench.tokenizer).opening
    size = min(PASSAGE, room - len(opening))
    loss = partial(
        text_loss,
        bench.backbone.model,
        frame=frame(opening),
        devices=bench.devices,
        dtype=bench.dtype,
    )

    def frozen(texts) -> float:
        return loss((), bench.backbone.params, texts)

    def foreign() -> dict[str, float]:
        texts = task_text(task, bench.tokenizer, size)
        return {"task": frozen(texts), "as_long": frozen(as_long(stream, texts))}

    own = own_text(stream, size)
    before = bench.once(("held_out", size), lambda: frozen(own))
    return {
        "before": before,
        "after": loss(methods, leaves, own) if changed else before,
        "removable": not backbone(changed),
        **bench.once(("task", task.checksum, size), foreign),
    }
