"""Runs of baselines, which need no backbone."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from research.evaluation.answering import Answers, Estimated, estimated
from research.evaluation.baselines import BASELINES, Fitted, FittedTexts
from research.evaluation.label_scoring import Scored
from research.evaluation.text_answers import Written
from research.experiments.plan import Run
from research.runs.result import Result, TestResult, predictions
from research.tasks.metrics.classification import METRICS
from research.tasks.number_task import NumberTask
from research.tasks.sampling import Split, draw
from research.tasks.task import Example, Task
from research.tasks.text_task import TextTask

Examples = Sequence[Example]


def run_baseline(run: Run) -> Result:
    """Fits the baseline to the run's split and scores it on train and dev."""
    split = _split(run)
    fitted, answer = _fit(run, split)
    return Result(
        status="finished",
        n_train=len(split.train),
        metrics={"train": answer(split.train).metrics, "dev": answer(split.dev).metrics},
        costs={
            "trained_params": fitted.trained_params,
            "stored_bytes": fitted.stored_bytes,
            "train_seconds": fitted.seconds,
            "added_tokens": 0,
            "step_flops": None,
        },
        notes={"dropped": split.dropped, "n_dev": len(split.dev)},
        data={"task_checksum": run.cell.task.checksum, "split_checksum": split.checksum},
    )


def baseline_test_result(run: Run) -> TestResult:
    """Fits the baseline again, which is quick and deterministic, and scores it on test."""
    task, (_, answer) = run.cell.task, _fit(run, _split(run))
    by_split = {
        name: predictions(task, name, answer(examples)) for name, examples in task.tests.items()
    }
    return TestResult(predictions=by_split, costs={}, notes={}, language_model=None)


Answer = Callable[[Examples], Answers]


def _split(run: Run) -> Split:
    return draw(run.cell.task, run.cell.regime, run.seeds.sample, run.cell.experiment.max_dev)


def _fit(run: Run, split: Split) -> tuple[Fitted | FittedTexts, Answer]:
    """The baseline fitted to the texts of the split; it sees no prompt."""
    task, approach = run.cell.task, run.approach
    fit = partial(BASELINES[approach.baseline or ""].fit, **approach.options)
    if isinstance(task, TextTask):
        return _writing(fit, task, split.train)
    if isinstance(task, NumberTask):
        return _estimating(fit, split.train)
    return _choosing(fit, task, split.train)


def _choosing(fit: Callable[..., Fitted], task: Task, train: Examples) -> tuple[Fitted, Answer]:
    fitted = fit(_texts(train), _classes(task.labels, train).tolist(), len(task.labels))

    def answer(examples: Examples) -> Scored:
        gold = _classes(task.labels, examples)
        predicted, scores = fitted.predict(_texts(examples))
        loss = -float(scores[np.arange(len(gold)), gold].mean())
        found = {name: float(of(predicted, gold, len(task.labels))) for name, of in METRICS.items()}
        return Scored(scores, loss, {**found, "loss": loss})

    return fitted, answer


def _writing(
    fit: Callable[..., FittedTexts], task: TextTask, train: Examples
) -> tuple[FittedTexts, Answer]:
    pairs = [(one, text) for one in train for text in one.references]
    fitted = fit(_texts([one for one, _ in pairs]), [text for _, text in pairs])

    def answer(examples: Examples) -> Written:
        known = [example.references for example in examples]
        texts = task.judged(fitted.write(_texts(examples)), known)
        return Written(texts, math.nan, texts.metrics())  # it gives no probabilities

    return fitted, answer


def _estimating(fit: Callable[..., FittedTexts], train: Examples) -> tuple[FittedTexts, Answer]:
    """The baselines that write give a number of training again."""
    fitted = fit(_texts(train), [example.label for example in train])

    def answer(examples: Examples) -> Estimated:
        numbers, gold = fitted.write(_texts(examples)), [example.label for example in examples]
        return estimated(np.array(numbers, float), np.array(gold, float))

    return fitted, answer


def _texts(examples: Examples) -> list[str]:
    return [example.text for example in examples]


def _classes(labels: tuple[str, ...], examples: Examples) -> np.ndarray:
    index = {label: i for i, label in enumerate(labels)}
    return np.array([index[example.label] for example in examples])
