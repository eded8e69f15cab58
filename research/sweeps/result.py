"""What one run gave, before and after test, and the record it becomes."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from research.methods.method import Leaves
from research.sweeps.plan import CODE_VERSION, Run
from research.sweeps.predictions import Predictions
from research.sweeps.provenance import provenance
from research.sweeps.record import Record
from research.sweeps.robustness import robustness


class Afterwards(NamedTuple):
    """What is noted of a tested run beside its scores. costs, notes: further ones. language_model:
    see `research.sweeps.ability`.
    """

    costs: dict[str, float]
    notes: dict[str, Any]
    language_model: dict[str, Any] | None


@dataclass(frozen=True)
class Result:
    """metrics: of train and dev. costs, notes, data: as the record has them. cohort: its id.
    history: (step, train loss, dev score, dev loss) per evaluation. test_scores: computes [I, C] of
    a split of `Task.tests` by its name; nothing else looks at these. trained: the leaves that
    training changed.
    """

    status: str
    n_train: int
    metrics: dict[str, dict[str, float] | None]
    costs: dict[str, Any]
    notes: dict[str, Any]
    data: dict[str, str]
    test_scores: Callable[[str], np.ndarray]
    afterwards: Callable[[], Afterwards] = lambda: Afterwards({}, {}, None)
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


def tested(
    record: Record, run: Run, result: Result
) -> tuple[Record, Predictions, dict[str, Predictions]]:
    """The record with its test scores, the predictions they come from, and those on the other
    splits of `Task.tests`.
    """
    task = run.cell.task
    index = {label: i for i, label in enumerate(task.labels)}
    predictions = {}
    for split, examples in task.tests.items():
        gold = np.array([index[example.label] for example in examples])
        scores = result.test_scores(split)
        predictions[split] = Predictions(task.labels, gold, scores.argmax(-1), scores)
    metrics = {split: found.metrics() for split, found in predictions.items()}
    afterwards = result.afterwards()
    complete = {
        **record,
        "metrics": {**record["metrics"], **metrics},
        "costs": {**record["costs"], **afterwards.costs},
        "notes": {**record["notes"], **afterwards.notes},
        "robustness": robustness(task, predictions),
        "language_model": afterwards.language_model,
    }
    return complete, predictions.pop("test"), predictions
