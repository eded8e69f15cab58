"""Runs of baselines, which need no backbone."""

import time
from functools import partial

from research.evaluation.answer_kinds.kind import FittedBaseline
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.baselines import BASELINES
from research.experiments.plan import Run
from research.runs.result import Result, TestResult, predictions
from research.runtime.clock import seconds_by_purpose, seconds_since, spent_on
from research.tasks.sampling import Split, draw


def run_baseline(run: Run) -> Result:
    """Fits the baseline to the run's split and scores it on train and dev."""
    begin, split = seconds_by_purpose(), _split(run)
    fitted, answer = _fit(run, split)
    with spent_on("scoring"):
        begun = time.perf_counter()
        dev = answer(split.dev)
        seconds = time.perf_counter() - begun
        train = answer(split.train)
    return Result(
        status="finished",
        n_train=len(split.train),
        metrics={"train": train.metrics, "dev": dev.metrics},
        costs={
            "trained_params": fitted.trained_params,
            "stored_bytes": fitted.stored_bytes,
            "train_seconds": fitted.seconds,
            "evaluation_seconds": round(seconds, 4),
            "added_tokens": 0,
            "step_flops": None,
            "seconds_by_purpose": seconds_since(begin),
        },
        notes={
            "dropped": split.dropped,
            "n_dev": len(split.dev),
            "metric_words": run.cell.task.metric_words,
        },
        data={"task_checksum": run.cell.task.checksum, "split_checksum": split.checksum},
    )


@spent_on("scoring")
def baseline_test_result(run: Run) -> TestResult:
    """Fits the baseline again, which is quick and deterministic, and scores it on test."""
    task, (_, answer) = run.cell.task, _fit(run, _split(run))
    begun = time.perf_counter()
    by_split = {"test": predictions(task, "test", answer(task.test))}
    costs = {"test_seconds": round(time.perf_counter() - begun, 4)}
    for name, examples in task.tests.items():
        if name != "test":
            by_split[name] = predictions(task, name, answer(examples))
    return TestResult(predictions=by_split, costs=costs, notes={}, language_model=None)


def _split(run: Run) -> Split:
    return draw(run.cell.task, run.cell.regime, run.seeds.sample, run.cell.experiment.max_dev)


@spent_on("training")
def _fit(run: Run, split: Split) -> FittedBaseline:
    """The baseline fitted to the texts of the split, or of the pool, without a prompt."""
    task, baseline = run.cell.task, BASELINES[run.approach.baseline or ""]
    fit = partial(baseline.fit, **run.approach.options)
    train = task.pools.train if baseline.constant else split.train
    return answer_kind(task).fit_baseline(fit, train)
