"""Runs of rows that do not use the backbone: baselines, answers files and endpoints."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from research.common.errors import InputError
from research.evaluation.answer_sources.baseline import fit_baseline
from research.evaluation.answer_sources.conversation import Conversation, DemonstrationDraw
from research.evaluation.answer_sources.endpoint_source import EndpointSource
from research.evaluation.answer_sources.source import AnswerSource, ScoredAnswers
from research.experiments.plan import Run
from research.experiments.prompt import DRAWS
from research.runs.result import Result, TestResult, not_finite, predictions, timeouts
from research.runs.scoring_progress import ScoringProgress, ScoringReport
from research.runtime.clock import seconds_by_purpose, seconds_since, spent_on
from research.tasks.example import Example
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.sampling import Split, draw


def run_without_backbone(run: Run, folder: Path, report: ScoringReport) -> Result:
    """Opens the row's answer source and scores its answers to train and dev, if it has any.

    Args:
        run: the run.
        folder: the results folder.
        report: takes the progress of scoring.
    """
    begin, split = seconds_by_purpose(), _split(run)
    source = open_source(run, split, folder, report)
    answered = _answered(source, {"train": split.train, "dev": split.dev})
    answers = {name: scored.answers for name, scored in answered.items()}
    return Result(
        status="finished",
        n_train=len(split.train),
        metrics={name: scored.metrics for name, scored in answers.items()},
        costs={
            **source.costs,
            "evaluation_seconds": _seconds(answered.get("dev")),
            "step_flops": None,
            "seconds_by_purpose": seconds_since(begin),
        },
        notes={
            "dropped": split.dropped,
            "n_dev": len(split.dev),
            "demonstrations": source.demonstrations,
            "not_finite": not_finite(answers),
            "timeouts": timeouts(answers),
            "metric_words": run.cell.task.metric_words,
        },
        data={"task_checksum": run.cell.task.checksum, "split_checksum": split.checksum},
    )


def evaluate_without_backbone(run: Run, folder: Path, report: ScoringReport) -> TestResult:
    """Opens the row's answer source again and scores its answers to the test splits."""
    task = run.cell.task
    answered = _answered(open_source(run, _split(run), folder, report), task.tests)
    answers = {name: scored.answers for name, scored in answered.items()}
    test = answered["test"]
    return TestResult(
        predictions={split: predictions(task, split, scored) for split, scored in answers.items()},
        costs={
            "test_seconds": _seconds(test),
            "request_tokens": test.request_tokens,
            "request_price": test.request_price,
        },
        notes={"not_finite": not_finite(answers), "timeouts": timeouts(answers)},
        language_model=None,
    )


def check_without_backbone(run: Run, folder: Path, report: ScoringReport) -> None:
    """Raises InputError for anything that would stop the run, before anything is run."""
    split = _split(run)
    if run.approach.baseline is None:
        open_source(run, split, folder, report)


@spent_on("training")
def open_source(run: Run, split: Split, folder: Path, report: ScoringReport) -> AnswerSource:
    """The answer source of the run's row. Raises InputError where it cannot answer."""
    task, approach = run.cell.task, run.approach
    if approach.answers is not None:
        return approach.answers.open(task, str(run.cell.regime), run.seeds.sample)
    if approach.endpoint is not None:
        return EndpointSource(
            endpoint=approach.endpoint,
            task=task,
            conversation=_conversation(run, split),
            seed=run.seeds.sample,
            client=approach.endpoint.client(folder),
            splits=frozenset(_requested_splits(run, tested=True)),
            report=lambda split, rows, total: report(ScoringProgress(split, rows, total)),
        )
    return fit_baseline(approach.baseline or "", approach.options, task, split)


def endpoint_requests(run: Run, tested: bool) -> list[dict[str, Any]]:
    """The JSON objects of all requests of a run with an endpoint; those for test if `tested`.

    Raises InputError for a template that the task lacks.
    """
    endpoint, task, split = run.approach.endpoint, run.cell.task, _split(run)
    assert endpoint is not None  # the row asks a server
    conversation = _conversation(run, split)
    examples = {"dev": split.dev, **task.tests}
    return [
        endpoint.body(messages, task, run.seeds.sample)
        for name in _requested_splits(run, tested)
        for messages in conversation.messages(examples[name])
    ]


def _requested_splits(run: Run, tested: bool) -> tuple[str, ...]:
    """The splits that a server is asked for: dev if it chooses a trial, and test if `tested`."""
    chosen_on_dev = len(run.cell.trials) > 1
    return (*(run.cell.task.tests if tested else ()), *(("dev",) if chosen_on_dev else ()))


def _conversation(run: Run, split: Split) -> Conversation:
    """The prompts of the run's row. Raises InputError for a template that the task lacks."""
    task, prompt = run.cell.task, run.approach
    if prompt.template >= len(task.templates):
        allowed = f"task {task.name} has the templates 0 to {len(task.templates) - 1}"
        raise InputError("template", prompt.template, allowed)
    assert prompt.demonstrations != "fit"  # which an endpoint refuses
    demonstrations = DemonstrationDraw(
        train=split.train,
        labels=task.labels,
        count=prompt.demonstrations,
        choice=prompt.choice,
        seed=DRAWS * run.seeds.order + prompt.draw,
    )
    layout = LayoutSettings(True, prompt.system, prompt.instruction)
    return Conversation(task.templates[prompt.template], task.verbalizer, layout, demonstrations)


@spent_on("scoring")
def _answered(
    source: AnswerSource, splits: Mapping[str, tuple[Example, ...]]
) -> dict[str, ScoredAnswers]:
    """The answers to each split that the source answers."""
    answered = {split: source.answer(split, examples) for split, examples in splits.items()}
    return {split: scored for split, scored in answered.items() if scored is not None}


def _seconds(answered: ScoredAnswers | None) -> float | None:
    if answered is None or answered.seconds is None:
        return None
    return round(answered.seconds, 4)


def _split(run: Run) -> Split:
    return draw(run.cell.task, run.cell.regime, run.seeds.sample, run.cell.experiment.max_dev)
