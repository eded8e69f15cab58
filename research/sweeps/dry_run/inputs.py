"""What a dry run reads of tasks, and what the backbone cannot answer."""

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.evaluation.scoring import route_of
from research.experiments.approach import Trial
from research.experiments.experiment import Experiment
from research.experiments.scorings import ALONE, WITH_END, scorings
from research.experiments.stage_sequence import methods_after
from research.methods.head import with_backbone_head
from research.methods.method import Leaves
from research.models.model import Model
from research.tasks.task import Task
from research.tasks.task_settings import Outline, TaskSettings


def task_or_outline(settings: TaskSettings) -> Task | Outline:
    """The outline of a task, or the whole task if its settings do not say enough."""
    outline = settings.outline()
    return settings.load() if outline is None else outline


def without_route(experiment: Experiment, model: Model, leaves: Leaves) -> dict[str, str]:
    """Why the backbone cannot answer with the methods of approaches, by their names."""
    reasons: dict[str, str] = {}
    for approach in experiment.approaches:
        if approach.uses_backbone:
            try:
                route_of(model, with_backbone_head(methods_after(approach.stages), leaves))
            except InputError as error:
                reasons[approach.name] = str(error)
    return reasons


def label_scorings(
    task: Task | Outline, tokenizer: Tokenizer | None, model: Model
) -> tuple[Trial, ...]:
    """The `scorings` of a task; where its tokens are not available, with and without the end, or
    the one way of a masked model.
    """
    if tokenizer is not None and isinstance(task, Task):
        return scorings(task, tokenizer, model.ROUTE)
    return (WITH_END, ALONE) if model.ROUTE != "masked" and task.labels else ()
