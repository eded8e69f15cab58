"""The results of one run, from training and from test, and its record."""

import datetime
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from research.evaluation.answer_kinds.kind import Answers
from research.evaluation.answer_kinds.select import answer_kind
from research.experiments.plan import CODE_VERSION, Run
from research.experiments.seeds import Seeds
from research.records.provenance import provenance
from research.records.schema import Kept, Record, prediction_class
from research.runs.robustness import robustness
from research.tasks.metrics.classification import METRIC_VERSION
from research.tasks.task import Task


@dataclass(frozen=True)
class Result:
    """The result of training a run, without arrays; test is not evaluated yet.

    Attributes:
        status: "finished" or "diverged".
        n_train: number of training examples.
        metrics: scores on "train" and "dev".
        costs: costs, as the record has them.
        notes: notes, as the record has them.
        data: checksums of the task and of the split.
        backbone: name and checksum of the backbone; None for a baseline.
        cohort: id of the run's cohort; None for a baseline.
        history: for each stage (step, train loss, dev score, dev loss) of each evaluation.
    """

    status: str
    n_train: int
    metrics: dict[str, dict[str, float] | None]
    costs: dict[str, Any]
    notes: dict[str, Any]
    data: dict[str, str]
    backbone: dict[str, str] | None = None
    cohort: str | None = None
    history: tuple[Any, ...] = ()


class TestResult(NamedTuple):
    """The result of evaluating a trained run on test.

    Attributes:
        predictions: predictions on each split of `Task.tests`, by its name.
        costs: costs measured at test time.
        notes: notes taken at test time.
        language_model: see `research.runs.forgetting`; None where it was not measured.
    """

    predictions: dict[str, Kept]
    costs: dict[str, float]
    notes: dict[str, Any]
    language_model: dict[str, Any] | None


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
    record: Record, run: Run, test: TestResult
) -> tuple[Record, Kept, dict[str, Kept]]:
    """The record with its test scores, the predictions they come from, and those on the other
    splits of `Task.tests`.
    """
    task = run.cell.task
    others = dict(test.predictions)
    metrics = {split: predicted.metrics() for split, predicted in others.items()}
    complete = {
        **record,
        "metrics": {**record["metrics"], **metrics},
        "costs": {**record["costs"], **test.costs},
        "notes": {**record["notes"], **test.notes},
        "robustness": robustness(task, test.predictions),
        "language_model": test.language_model,
    }
    return complete, others.pop("test"), others


def predictions(task: Task, split: str, answers: Answers) -> Kept:
    """The stored predictions from the answers to a split of `Task.tests`."""
    kind = answer_kind(task)
    return prediction_class(kind.name)(**kind.prediction_fields(task.tests[split], answers))
