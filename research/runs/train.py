"""Runs that use the backbone: prompts are only scored, stages are trained, share by share."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from research.evaluation.batch import extents
from research.experiments.cohorts import Shard, cohort_id, stage_id
from research.experiments.plan import Run
from research.experiments.stage import Stage
from research.runs.context import RunContext
from research.runs.evaluate import RunEvaluator
from research.runs.result import Result, TestResult
from research.runs.state import RunState
from research.runtime.compile_lock import lock_folder
from research.runtime.executable import Call, compile_ahead, compile_cache_hits, compile_seconds
from research.tasks.sampling import draw
from research.training.batches import Shapes, Stream
from research.training.checkpoint import Checkpoints
from research.training.fit import fit
from research.training.member import MemberProgress, Outcome
from research.training.options import FitOptions, Report
from research.training.parallel import step_on
from research.training.step import Program


def run_shard(share: Shard, context: RunContext, report: Report) -> list[Result]:
    """Trains the runs of a shard, or resumes them, and scores them on train and dev.

    Their trained leaves are on disk afterwards, and no longer in memory.
    """
    begun, id = _spent(), cohort_id(share.cohort)
    work = [RunState(run, context) for run in share.runs]
    for index in range(len(share.runs[0].approach.stages)):
        for one, outcome in zip(work, _outcomes(share, work, index, context, report), strict=True):
            one.keep(outcome)
    results = [RunEvaluator(one).result() for one in work]
    for state in work:
        state.store()
    spent = {name: round(now - begun[name], 3) for name, now in _spent().items()}
    return [replace(result, cohort=id, costs={**result.costs, **spent}) for result in results]


def run_test_result(run: Run, context: RunContext) -> TestResult:
    """Evaluates a finished run on test, with its trained leaves from disk."""
    return RunEvaluator(RunState.trained(run, context)).test_result()


def needs_training(run: Run, context: RunContext) -> bool:
    """Whether the run has to be trained before test can be evaluated."""
    return bool(run.approach.stages) and not context.trained_leaves.has(run.id)


def checkpoint_folder(share: Shard, context: RunContext) -> Path:
    """The folder of the checkpoints that are written while a shard trains."""
    return context.checkpoints / cohort_id(share.cohort) / cohort_id(share.runs)


def _outcomes(
    share: Shard, work: Sequence[RunState], index: int, context: RunContext, report: Report
) -> list[Outcome]:
    """Of stage `index` for each run; trained once for those that have the same lineage. What
    other stages follow is kept for the runs of other shares and cohorts too.
    """
    ids = [stage_id(run, index) for run in share.runs]
    first = {id: work[ids.index(id)] for id in ids}

    def outcomes() -> dict[str, Outcome]:
        trained = _fit(share, list(first.values()), index, context, report)
        return dict(zip(first, trained, strict=True))

    if index == len(share.runs[0].approach.stages) - 1:
        found = outcomes()
    else:
        found = context.stage_cache.get_or_train(first, outcomes)
    return [found[id] for id in ids]


def _fit(
    share: Shard, work: Sequence[RunState], index: int, context: RunContext, report: Report
) -> list[Outcome]:
    run = work[0].run
    stage, data = run.approach.stages[index], [one.stage_data(index) for one in work]
    identity = {"runs": [one.run.id for one in work], "backbone": context.backbone.checksum}
    folder = checkpoint_folder(share, context)
    live = [context.metrics_log.live(one.run, one.histories) for one in work]

    def report_progress(step: int, progress: Sequence[MemberProgress]) -> None:
        for write, one in zip(live, progress, strict=True):
            write(one.history)
        report(step, progress)

    members = [one.member(index, own) for one, own in zip(work, data, strict=True)]
    options = FitOptions(
        devices=context.devices,
        answerer=data[0].answerer,
        metric=run.cell.task_of(stage).metric,
        checkpoints=Checkpoints(folder / f"stage_{index}", identity),
        report=report_progress,
        shapes=_shapes(share, index, context),
        compile_ahead=_ahead(share, work[0], index, context),
    )
    return fit(_program(stage, context), members, options)


def _ahead(
    share: Shard, one: RunState, index: int, context: RunContext
) -> Callable[[Sequence[Call]], None] | None:
    """Compiles a stage's steps, and by what its runs are scored, with the other workers; None where
    there is none, or nothing to do any more.
    """
    cohort, last = (cohort_id(share.cohort), index), index == len(one.approach.stages) - 1
    if not lock_folder() or not context.caches.compiled.add(cohort):
        return None
    return lambda steps: compile_ahead([*steps, *(RunEvaluator(one).calls() if last else ())])


def _shapes(share: Shard, index: int, context: RunContext) -> Shapes:
    """What the batches of the whole cohort have in common in stage `index`."""

    def found() -> Shapes:
        data = [(run.seeds.order, RunState(run, context).stage_data(index)) for run in share.cohort]
        targets = max(one.answerer.target_width(one.train) for _, one in data)
        streams = [Stream(s, one.train.length, extents(one.train, one.frame)) for s, one in data]
        distinct = {(s.seed, s.lengths.tobytes(), s.extents.tobytes()): s for s in streams}
        return Shapes(targets, list(distinct.values()))

    return context.caches.batch_shapes((cohort_id(share.cohort), index), found)


def _program(stage: Stage, context: RunContext) -> Program:
    return Program(context.backbone.model, stage.schedule, context.dtype, context.devices.remat)


def _spent() -> dict[str, float]:
    """What this thread has spent so far; what is between two of these is the difference."""
    return {
        "sweep_seconds": time.perf_counter(),
        "compile_seconds": compile_seconds(),
        "compile_cache_hits": compile_cache_hits(),
    }


def check_run(run: Run, context: RunContext) -> None:
    """Raises InputError for whatever would stop the run, before anything is trained."""
    if run.approach.baseline is not None:
        draw(run.cell.task, run.cell.regime, run.seeds.sample, run.cell.experiment.max_dev)
        return
    work = RunState(run, context)
    for index, stage in enumerate(run.approach.stages):
        work.check(index)
        step_on(_program(stage, context), context.devices)
