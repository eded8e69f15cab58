"""The cells of an experiment."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from research.experiments.approach import Trial
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.experiments.trials import for_backbone
from research.tasks.sampling import Regime
from research.tasks.task import Task


class ChatPlan(NamedTuple):
    """What a plan needs to know about chat prompts.

    Attributes:
        template: the tokenizer's chat template.
        scorings: the `scorings` of each task by name with chat prompts.
    """

    template: str
    scorings: Mapping[str, tuple[Trial, ...]]


def cells(
    experiment: Experiment,
    tasks: Mapping[str, Task],
    backbone_checksum: str,
    scorings: Mapping[str, tuple[Trial, ...]] | None = None,
    parameters: int | None = None,
    chat: ChatPlan | None = None,
) -> Iterator[CellPlan]:
    """All cells with one backbone by task and regime; approaches without training come first.

    Args:
        experiment: the experiment, or its part with the backbone.
        tasks: the loaded tasks by name; others have no cells.
        backbone_checksum: checksum of the backbone's weights and configuration.
        scorings: the `scorings` of each task by name; None leaves labels scored with their end.
        parameters: number of parameters of the backbone; None if no learning rates depend on it.
        chat: None without a chat template, or without a decoder.
    """
    for t, settings in enumerate(experiment.tasks):
        if settings.name not in tasks:
            continue
        task = tasks[settings.name]
        approaches = experiment.rows_on(settings.name)
        if parameters is not None:
            approaches = tuple(for_backbone(approach, parameters) for approach in approaches)
        used = [approach.uses_backbone or experiment.is_first for approach in approaches]
        rows = [row for row in enumerate(approaches) if row[1].fits(task) and used[row[0]]]
        rows.sort(key=lambda row: bool(row[1].stages))
        for r, regime in enumerate(experiment.regimes):
            for a, approach in rows:
                yield CellPlan(
                    experiment=experiment,
                    approach=approach,
                    task=task,
                    tasks=tasks,
                    task_settings=settings,
                    regime=Regime.parse(regime),
                    backbone_checksum=backbone_checksum,
                    order={"approach": a, "task": t, "regime": r},
                    scorings=(scorings or {}).get(settings.name, ()),
                    chat_scorings=chat.scorings.get(settings.name, ()) if chat else (),
                    chat_template=chat.template if chat else None,
                )
