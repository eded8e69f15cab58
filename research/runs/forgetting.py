"""Forgetting: the adapted backbone's loss on plain text, before and after."""

from dataclasses import replace
from typing import Any

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.lm_loss import UNDEFINED
from research.evaluation.predictor import AdaptedWeights
from research.methods.shared.leaves import backbone
from research.runs.held_out_text import (
    PASSAGE,
    held_out_passages,
    passages_as_long,
    task_text,
)
from research.runs.scoring_progress import ScoringProgress, ScoringReport, ignore_scoring
from research.runs.state import RunState
from research.runtime.clock import spent_on
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.special_tokens import special_tokens


@spent_on("forgetting")
def measure_forgetting(
    state: RunState, report: ScoringReport = ignore_scoring
) -> dict[str, Any] | None:
    """Losses on plain text in nats per token; None if the experiment has no held-out text.

    The adapted backbone is evaluated with its methods (a soft prompt stands before each passage)
    and without the task's prompt.

    Returns:
        The fields of `research.records.measurements.Forgetting`.
    """
    context, cell = state.context, state.run.cell
    if context.held_out is None:
        return None
    if state.route in UNDEFINED:
        return {"undefined": UNDEFINED[state.route]}
    stream, bos = context.held_out, cell.experiment.bos
    prefix_ids = special_tokens(state.route, context.tokenizer, bos).prefix_ids
    size = min(PASSAGE, state.room - len(prefix_ids))
    adapted = AdaptedWeights(state.methods(), state.leaves)
    frame, frozen = prompt_frame(prefix_ids), AdaptedWeights((), context.backbone.params)

    def report_text(done: int, total: int) -> None:
        report(ScoringProgress("plain text", done, total))

    predictor = replace(context.predictor, report=report_text)

    def loss(weights: AdaptedWeights, texts: Encoded) -> float:
        return predictor.loss(weights, EncodedPrompts(texts, frame))

    def task_losses() -> dict[str, float]:
        texts = task_text(cell.task, context.tokenizer, size)
        encoded = {"task": texts, "as_long": passages_as_long(stream, texts)}
        return {name: loss(frozen, rows) for name, rows in encoded.items()}

    held_out = held_out_passages(stream, size)
    before = context.caches.losses(("held_out", size), lambda: loss(frozen, held_out))
    return {
        "before": before,
        "after": loss(adapted, held_out) if state.changed else before,
        "removable": not backbone(state.changed),
        **context.caches.losses(("task", cell.task.checksum, size), task_losses),
    }
