"""Trains and evaluates runs that use the backbone, one shard at a time."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from research.evaluation.batch import extents
from research.evaluation.widths import program_cost
from research.experiments.cohorts import Shard, cohort_id, stage_id
from research.experiments.plan import Run
from research.experiments.stage import Stage
from research.runs.context import RunContext
from research.runs.evaluate import RunEvaluator
from research.runs.result import Result, TestResult
from research.runs.run_scorer import RunScorer
from research.runs.scoring_progress import (
    RunReport,
    ScoringProgress,
    ScoringReport,
    ignore_scoring,
    report_of_run,
)
from research.runs.stage_start import check_stage, start_stage, train_rows
from research.runs.state import RunState
from research.runs.without_backbone import check_without_backbone
from research.runtime.clock import seconds_by_purpose, seconds_since, spent_on
from research.runtime.compile_lock import lock_folder
from research.runtime.executable import Call, compile_ahead, compile_cache_hits
from research.training.batches import Shapes, Stream, training_widths
from research.training.checkpoint import Checkpoints
from research.training.fit import fit
from research.training.member import MemberProgress, Outcome, most_choices
from research.training.options import FitOptions
from research.training.parallel import step_on
from research.training.step import Program


def run_shard(shard: Shard, context: RunContext, report: RunReport) -> list[Result]:
    """Trains the runs of a shard, or resumes them, and evaluates them on train and dev.

    Afterwards their trained leaves are on disk and not in memory.
    """
    begin, hits, id = seconds_by_purpose(), compile_cache_hits(), cohort_id(shard.cohort)
    states = [RunState(run, context) for run in shard.runs]
    for index in range(len(shard.runs[0].approach.stages)):
        outcomes = _outcomes(shard, states, index, context, report)
        for state, outcome in zip(states, outcomes, strict=True):
            state.finish_stage(outcome)
    results = [
        RunEvaluator(state, report_of_run(report.scoring, index, len(states))).result()
        for index, state in enumerate(states)
    ]
    for state in states:
        state.store()
    seconds = seconds_since(begin)
    costs = {
        "sweep_seconds": round(sum(seconds.values()), 3),
        "compile_seconds": round(seconds.get("compiling", 0.0), 3),
        "compile_cache_hits": compile_cache_hits() - hits,
        "seconds_by_purpose": seconds,
    }
    return [replace(result, cohort=id, costs={**result.costs, **costs}) for result in results]


def run_test_result(run: Run, context: RunContext, report: ScoringReport) -> TestResult:
    """Evaluates a finished run on test, with its trained leaves from disk."""
    return RunEvaluator(RunState.trained(run, context), report).test_result()


def needs_training(run: Run, context: RunContext) -> bool:
    """Whether the run has to be trained before it can be evaluated on test."""
    return bool(run.approach.stages) and not context.trained_leaves.has(run.id)


def checkpoint_folder(shard: Shard, context: RunContext) -> Path:
    """The folder of the checkpoints that are written while a shard trains."""
    return context.checkpoints / cohort_id(shard.cohort) / cohort_id(shard.runs)


def _outcomes(
    shard: Shard, states: Sequence[RunState], index: int, context: RunContext, report: RunReport
) -> list[Outcome]:
    """The outcome of stage `index` for each run; runs with equal stage ids train it only once.

    Outcomes of all but the last stage are cached for other shards and cohorts.
    """
    ids = [stage_id(run, index) for run in shard.runs]
    by_id = {id: states[ids.index(id)] for id in ids}

    def train() -> dict[str, Outcome]:
        trained = _fit(shard, list(by_id.values()), index, context, report)
        return dict(zip(by_id, trained, strict=True))

    if index == len(shard.runs[0].approach.stages) - 1:
        outcomes = train()
    else:
        outcomes = context.stage_cache.get_or_train(by_id, train)
    return [outcomes[id] for id in ids]


def _fit(
    shard: Shard, states: Sequence[RunState], index: int, context: RunContext, report: RunReport
) -> list[Outcome]:
    """Trains stage `index` of these runs together."""
    run = states[0].run
    stage, data = run.approach.stages[index], [state.stage_data(index) for state in states]
    identity = {
        "runs": [state.run.id for state in states],
        "backbone": context.backbone.checksum,
    }
    folder = checkpoint_folder(shard, context)
    logs = [context.metrics_log.live(state.run, state.histories) for state in states]

    def report_progress(step: int, progress: Sequence[MemberProgress]) -> None:
        for write, member in zip(logs, progress, strict=True):
            write(member.history)
        report.training(step, progress)

    members = [start_stage(state, index, rows) for state, rows in zip(states, data, strict=True)]
    options = FitOptions(
        devices=context.devices,
        answerer=data[0].answerer,
        metric=run.cell.task_of(stage).metric,
        checkpoints=Checkpoints(folder / f"stage_{index}", identity),
        report=report_progress,
        report_scoring=lambda rows, total: report.scoring(ScoringProgress("dev", rows, total)),
        shapes=_shapes(shard, index, context),
        compile_ahead=_compile_ahead(shard, states[0], index, context),
        trunk=context.trunk,
        scoring_shapes=data[0].scoring_shapes(context.backbone.params),
    )
    return fit(_program(stage, context), members, options)


def _compile_ahead(
    shard: Shard, state: RunState, index: int, context: RunContext
) -> Callable[[Sequence[Call]], None] | None:
    """A function that compiles a stage's programs together with the other workers.

    It compiles the given steps and after the last stage the programs of the evaluation. None if
    there are no other workers, or if the cohort's stage is compiled already.
    """
    cohort, last = (cohort_id(shard.cohort), index), index == len(state.approach.stages) - 1
    if not lock_folder() or not context.caches.compiled.add(cohort):
        return None
    return lambda steps: compile_ahead([*steps, *(RunScorer(state).calls() if last else ())])


@spent_on("encoding")
def _shapes(shard: Shard, index: int, context: RunContext) -> Shapes:
    """The batch shapes of the whole cohort in stage `index`."""

    def compute() -> Shapes:
        states = [(run.seeds.order, RunState(run, context)) for run in shard.cohort]
        data = [(seed, state.stage_data(index)) for seed, state in states]
        pairs = zip(states, data, strict=True)
        targets = max(run_data.answerer.target_width(run_data.train) for _, run_data in data)
        streams = [Stream(s, d.train.length, extents(d.train, d.frame)) for s, d in data]
        by_content = {(s.seed, s.lengths.tobytes(), s.extents.tobytes()): s for s in streams}
        distinct = list(by_content.values())
        schedule = shard.runs[0].approach.stages[index].schedule
        widths = training_widths(program_cost(context.backbone.params, "train"), distinct, schedule)
        choices = most_choices([train_rows(state, index, d) for (_, state), (_, d) in pairs])
        return Shapes(targets, distinct, widths, choices)

    return context.caches.batch_shapes((cohort_id(shard.cohort), index), compute)


def _program(stage: Stage, context: RunContext) -> Program:
    return Program(context.backbone.model, stage.schedule, context.dtype, context.devices.remat)


def check_run(run: Run, context: RunContext) -> None:
    """Raises InputError for anything that would stop the run, before anything is trained."""
    if not run.approach.uses_backbone:
        check_without_backbone(run, context.folder, ignore_scoring)
        return
    state = RunState(run, context)
    for index, stage in enumerate(run.approach.stages):
        check_stage(state, index)
        step_on(_program(stage, context), context.devices)
