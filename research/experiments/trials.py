"""The trials of an approach, from which dev selects."""

from collections.abc import Sequence
from dataclasses import replace

from research.experiments.approach import LEARNING_RATES, Approach, Trial
from research.experiments.prompt_search import PromptSearch
from research.tasks.task import Task

SCORING = {"target_end", "normalisation"}  # fields about the scores of labels


def for_backbone(approach: Approach, parameters: int) -> Approach:
    """The approach with the learning rates for a backbone of this many parameters.

    Only if its trials are `learning_rates`; else it is unchanged. Where several methods train
    together in the last stage, the rates are those of the method with the lowest.
    """
    if approach.trials != LEARNING_RATES:
        return approach
    rates = min(method.learning_rates_for(parameters) for method in approach.stages[-1].methods)
    return replace(approach, trials=tuple({"learning_rate": rate} for rate in rates))


def trials_on(
    approach: Approach,
    task: Task,
    scorings: Sequence[Trial] = (),
    chat_scorings: Sequence[Trial] | None = None,
) -> tuple[Trial, ...]:
    """The trials of an approach on a task.

    Args:
        approach: the approach.
        task: the task.
        scorings: the ways to score its labels that dev selects from, see `Approach.scoring`.
        chat_scorings: the same for chat prompts; None for the same ways.
    """
    trials = _trials(approach, len(task.templates))
    fixed = approach.scoring == "fixed" or approach.changed_among(SCORING)
    if approach.stages or not approach.uses_backbone or fixed:
        return trials
    chat_scorings = scorings if chat_scorings is None else chat_scorings
    return tuple(
        {**trial, **scoring}
        for trial in trials
        for scoring in _scorings(approach, trial, scorings, chat_scorings)
    )


def _trials(approach: Approach, templates: int) -> tuple[Trial, ...]:
    """The trials without the ways to score labels."""
    if isinstance(approach.trials, PromptSearch):
        return approach.trials.trials(templates, approach.drawn)
    if approach.trials == LEARNING_RATES:
        raise ValueError(f"{approach.name}: the trials depend on the backbone, see `for_backbone`")
    if isinstance(approach.trials, str):
        return tuple({"template": template} for template in range(templates))
    return approach.trials


def _scorings(
    approach: Approach, trial: Trial, plain: Sequence[Trial], chat: Sequence[Trial]
) -> Sequence[Trial]:
    """The ways to score labels with a trial that does not fix one."""
    if SCORING & trial.keys() or approach.at(trial).answer_by == "text":
        return ({},)
    return (chat if trial.get("chat", approach.chat) else plain) or ({},)
