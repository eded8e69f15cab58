"""The results of one run, from training and from test, and its record."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from research.common.config import build
from research.evaluation.answer_kinds.kind import Answers
from research.evaluation.answer_kinds.select import answer_kind
from research.experiments.plan import CODE_VERSION, Run
from research.experiments.run_configuration import run_configuration
from research.records.configuration import Configuration
from research.records.costs import Costs, StepMemory
from research.records.json_data import to_json
from research.records.measurements import (
    BackboneReference,
    DataChecksums,
    Evaluation,
    Forgetting,
    Notes,
)
from research.records.predictions.kinds import AnyPredictions, prediction_class
from research.records.provenance import provenance
from research.records.schema import RunRecord
from research.runs.robustness import robustness
from research.tasks.answering import BY_THE_TASK, Answering
from research.tasks.metrics.classification import METRIC_VERSION
from research.tasks.task import Task


@dataclass(frozen=True)
class Result:
    """The result of training a run, without arrays; test is not evaluated yet.

    Attributes:
        status: "finished" or "diverged".
        n_train: number of training examples.
        metrics: scores on "dev", and on "train" where it was scored.
        costs: costs, as the record has them.
        notes: notes, as the record has them.
        data: checksums of the task and of the split.
        backbone: name, checksum and number of parameters of the backbone; None for a row that does
            not use it.
        cohort: id of the run's cohort; None for a row without the backbone.
        history: for each stage (step, train loss, dev score, dev loss) of each evaluation.
    """

    status: Literal["finished", "diverged"]
    n_train: int
    metrics: dict[str, dict[str, float]]
    costs: dict[str, Any]
    notes: dict[str, Any]
    data: dict[str, str]
    backbone: dict[str, Any] | None = None
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

    predictions: dict[str, AnyPredictions]
    costs: dict[str, float | None]
    notes: dict[str, Any]
    language_model: dict[str, Any] | None


def make_record(run: Run, result: Result) -> RunRecord:
    """The record of a trained run, not yet evaluated on test."""
    cell, memory = run.cell, result.costs.get("memory")
    return RunRecord(
        run_id=run.id,
        approach=cell.approach.name,
        task=cell.task.name,
        regime=str(cell.regime),
        n_train=result.n_train,
        trial=dict(run.trial),
        seeds=run.seeds,
        metric=cell.task.metric,
        labels=tuple(cell.task.labels),
        status=result.status,
        metrics=result.metrics,
        costs=Costs(**{**result.costs, "memory": StepMemory(**memory) if memory else None}),
        notes=build(Notes, to_json(result.notes), "notes"),
        data=DataChecksums(**result.data),
        backbone=BackboneReference(**result.backbone) if result.backbone else None,
        cohort=result.cohort,
        history=tuple(tuple(Evaluation(*row) for row in stage) for stage in result.history),
        settings=run.settings,
        configuration=build(Configuration, run_configuration(run), "configuration"),
        code_version=CODE_VERSION,
        metric_version=METRIC_VERSION,
        provenance=provenance(),
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def with_test_result(
    record: RunRecord, run: Run, test: TestResult, seconds: Mapping[str, float]
) -> RunRecord:
    """The record completed with the metrics, costs and notes of the evaluation on test.

    Args:
        record: of the trained run.
        run: the run.
        test: the result on test.
        seconds: wall seconds of this evaluation by purpose.
    """
    scores = {split: predicted.metrics() for split, predicted in test.predictions.items()}
    by_split = {
        name: {**getattr(record.notes, name), **test.notes.get(name, {})}
        for name in ("not_finite", "timeouts")
    }
    return replace(
        record,
        metrics={**record.metrics, **scores},
        costs=replace(record.costs, **test.costs).with_more_seconds(seconds),
        notes=replace(record.notes, **{**test.notes, **by_split}),
        robustness=robustness(run.cell.task, test.predictions),
        forgetting=Forgetting(**test.language_model) if test.language_model else None,
    )


def not_finite(answers: Mapping[str, Answers]) -> dict[str, int]:
    """Examples whose scores are not finite, by split; without the splits that have none."""
    return {split: scored.not_finite for split, scored in answers.items() if scored.not_finite}


def timeouts(answers: Mapping[str, Answers]) -> dict[str, int]:
    """Texts whose answer took too long to find, by split; without the splits that have none."""
    return {split: scored.timeouts for split, scored in answers.items() if scored.timeouts}


def predictions(
    task: Task, split: str, answers: Answers, answering: Answering = BY_THE_TASK
) -> AnyPredictions:
    """The stored predictions from the answers to a split of `Task.tests`."""
    kind = answer_kind(task, answering)
    return prediction_class(kind.name)(**kind.prediction_fields(task.tests[split], answers))
