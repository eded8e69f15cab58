"""What one run gave, before and after test, and the record it becomes."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from research.evaluation.answering import Answers
from research.evaluation.writing import Written
from research.methods.method import Leaves
from research.sweeps.plan import CODE_VERSION, Run
from research.sweeps.predictions import Predictions
from research.sweeps.provenance import provenance
from research.sweeps.record import Record
from research.sweeps.text_predictions import TextPredictions
from research.tasks.task import Task


@dataclass(frozen=True)
class Result:
    """metrics: of train and dev. costs, notes, data: as the record has them. cohort: its id.
    history: (step, train loss, dev score, dev loss) per evaluation. test: answers the test split;
    nothing else looks at it. trained: the leaves that training changed.
    """

    status: str
    n_train: int
    metrics: dict[str, dict[str, float] | None]
    costs: dict[str, Any]
    notes: dict[str, Any]
    data: dict[str, str]
    test: Callable[[], Predictions | TextPredictions]
    backbone: dict[str, str] | None = None
    cohort: str | None = None
    history: tuple[Any, ...] = ()
    trained: Leaves = field(default_factory=dict)


def record(run: Run, result: Result) -> Record:
    """The run record, test not yet scored."""
    task = run.cell.task
    return {
        "run_id": run.id,
        "approach": run.cell.approach.name,
        "task": task.name,
        "regime": str(run.cell.regime),
        "n_train": result.n_train,
        "trial": dict(run.trial),
        "seed": run.seed,
        "metric": task.metric,
        "labels": list(task.labels),
        "status": result.status,
        "metrics": {**result.metrics, "test": None},
        "costs": result.costs,
        "notes": result.notes,
        "data": result.data,
        "backbone": result.backbone,
        "cohort": result.cohort,
        "history": result.history,
        "settings": run.settings,
        "configuration": run.configuration,
        "code_version": CODE_VERSION,
        **provenance(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def tested(record: Record, result: Result) -> tuple[Record, Predictions | TextPredictions]:
    """The record with its test score, and the predictions it comes from."""
    found = result.test()
    return {**record, "metrics": {**record["metrics"], "test": found.metrics()}}, found


def predictions(task: Task, answers: Answers) -> Predictions | TextPredictions:
    """What is kept of the answers to the test split of a task."""
    if isinstance(answers, Written):
        return TextPredictions(**vars(answers.texts))
    index = {label: i for i, label in enumerate(task.labels)}
    gold = np.array([index[example.label] for example in task.test])
    return Predictions(task.labels, gold, answers.scores.argmax(-1), answers.scores)
