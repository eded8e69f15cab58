"""The ways to score labels that dev selects from, for approaches without training."""

from collections.abc import Mapping

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.experiments.approach import Trial
from research.experiments.cells import ChatPlan
from research.tasks.encoding.encoded import Normalisation
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.special_tokens import Route
from research.tasks.prompts.chat_layout import chat_template
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.task import Task
from research.tasks.task_settings import Outline

WITH_END: Trial = {"target_end": True}
ALONE: Trial = {"target_end": False}
PER_TOKEN: Trial = {"target_end": False, "normalisation": "tokens"}
PLAIN = LayoutSettings()
# Divisors of the scores of an item's own choices, which differ in length: acc, acc_norm and tokens.
DIVISORS: tuple[Normalisation, ...] = ("sum", "characters", "tokens")


def chat_plan(
    tasks: Mapping[str, Task | Outline], tokenizer: Tokenizer | None, route: Route
) -> ChatPlan | None:
    """What a plan needs to know about chat prompts; None where there are none.

    Of an outline, whose tokens are not available, labels are scored with and without the end.
    """
    template = None if tokenizer is None else chat_template(tokenizer)
    if tokenizer is None or template is None or route != "causal":
        return None
    ways = {
        name: scorings(task, tokenizer, route, LayoutSettings(chat=True))
        if isinstance(task, Task)
        else (WITH_END, ALONE)
        for name, task in tasks.items()
    }
    return ChatPlan(template, ways)


def scorings(
    task: Task, tokenizer: Tokenizer, route: Route, layout: LayoutSettings = PLAIN
) -> tuple[Trial, ...]:
    """Values of the fields about label scores to try, the default first; empty for no choice.

    The score of a label includes its end or not. If labels differ in their number of tokens, the
    score without the end is also divided by that number. The best way depends on the model: one
    that rarely writes the end after a label scores labels by their ends. The end is left out only
    if no label's tokens begin those of another label. An item's own choices are scored without the
    end by each of `DIVISORS`.
    """
    if not task.is_scored or route == "head":
        return ()
    if not task.labels:
        has_end = layout.chat or route == "seq2seq" or bool(task.verbalizer.end)
        ending = ALONE if has_end else {}
        return tuple({**ending, "normalisation": divisor} for divisor in DIVISORS)
    if route == "masked":  # the end follows the masks
        encoder = _encoder(task, tokenizer, route, layout, target_end=True)
        per_token: Trial = {"normalisation": "tokens"}
        return ({"normalisation": "sum"}, per_token) if _lengths_differ(encoder) else ()
    with_end, alone = (
        _encoder(task, tokenizer, route, layout, target_end=end) for end in (True, False)
    )
    if alone is None or (with_end is not None and _same(with_end, alone)):
        return ()
    return (WITH_END, ALONE, *((PER_TOKEN,) if _lengths_differ(alone) else ()))


def _encoder(
    task: Task, tokenizer: Tokenizer, route: Route, layout: LayoutSettings, target_end: bool
) -> Encoder | None:
    """An encoder of the task; None if its labels cannot be scored in this way."""
    try:
        return Encoder(
            tokenizer,
            task.templates[0],
            task.verbalizer,
            task.labels,
            room=0,
            route=route,
            target_end=target_end,
            layout=layout,
        )
    except InputError:
        return None  # if no way is possible, the run's encoder raises the reason


def _lengths_differ(encoder: Encoder | None) -> bool:
    return encoder is not None and len(set(encoder.texts().targets.length.tolist())) > 1


def _same(first: Encoder, second: Encoder) -> bool:
    """Whether both have the same targets, as if the end is empty."""
    pairs = zip(first.texts().targets, second.texts().targets, strict=True)
    return all(x.tolist() == y.tolist() for x, y in pairs)
