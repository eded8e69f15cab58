"""What one run gave, before and after test, and the record it becomes."""

import datetime
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import numpy as np

from research.evaluation.answering import Answers, Estimated
from research.evaluation.text_answers import Written
from research.experiments.plan import CODE_VERSION, Run
from research.experiments.seeds import Seeds
from research.methods.method import Leaves
from research.records.predictions import NumberPredictions, Predictions, TextPredictions
from research.records.provenance import provenance
from research.records.schema import Kept, Record
from research.runs.robustness import robustness
from research.tasks.metrics.classification import METRIC_VERSION
from research.tasks.task import Task


class Afterwards(NamedTuple):
    """What is noted of a tested run beside its scores. costs, notes: further ones. language_model:
    see `research.runs.forgetting`.
    """

    costs: dict[str, float]
    notes: dict[str, Any]
    language_model: dict[str, Any] | None


@dataclass(frozen=True)
class Result:
    """metrics: of train and dev. costs, notes, data: as the record has them. cohort: its id.
    history: (step, train loss, dev score, dev loss) per evaluation. test: answers a split of
    `Task.tests`, by its name; nothing else looks at these. trained: the leaves that training
    changed.
    """

    status: str
    n_train: int
    metrics: dict[str, dict[str, float] | None]
    costs: dict[str, Any]
    notes: dict[str, Any]
    data: dict[str, str]
    test: Callable[[str], Kept]
    afterwards: Callable[[], Afterwards] = lambda: Afterwards({}, {}, None)
    backbone: dict[str, str] | None = None
    cohort: str | None = None
    history: tuple[Any, ...] = ()
    trained: Leaves = field(default_factory=dict)


def make_record(run: Run, result: Result) -> Record:
    """The run record, test not yet scored."""
    task = run.cell.task
    seeds = {"seeds": asdict(run.seed)} if isinstance(run.seed, Seeds) else {}
    return {
        "run_id": run.id,
        "approach": run.cell.approach.name,
        "task": task.name,
        "regime": str(run.cell.regime),
        "n_train": result.n_train,
        "trial": dict(run.trial),
        "seed": run.seeds.sample,
        **seeds,
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
        "metric_version": METRIC_VERSION,
        **provenance(),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def with_test_scores(
    record: Record, run: Run, result: Result
) -> tuple[Record, Kept, dict[str, Kept]]:
    """The record with its test scores, the predictions they come from, and those on the other
    splits of `Task.tests`.
    """
    task = run.cell.task
    found = {split: result.test(split) for split in task.tests}
    metrics = {split: of.metrics() for split, of in found.items()}
    afterwards = result.afterwards()
    complete = {
        **record,
        "metrics": {**record["metrics"], **metrics},
        "costs": {**record["costs"], **afterwards.costs},
        "notes": {**record["notes"], **afterwards.notes},
        "robustness": robustness(task, found),
        "language_model": afterwards.language_model,
    }
    return complete, found.pop("test"), found


def predictions(task: Task, split: str, answers: Answers) -> Kept:
    """What is kept of the answers to a split of `Task.tests`."""
    if isinstance(answers, Written):
        return TextPredictions(**vars(answers.texts))
    if isinstance(answers, Estimated):
        gold = np.array([float(example.label) for example in task.tests[split]])
        return NumberPredictions(gold, answers.numbers)
    index = {label: i for i, label in enumerate(task.labels)}
    gold = np.array([index[example.label] for example in task.tests[split]])
    return Predictions(task.labels, gold, answers.scores.argmax(-1), answers.scores)
