"""Runs that use the backbone: prompts are only scored, stages are trained, cohort by cohort."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax

from research.executable import compile_cache_hits, compile_seconds
from research.sweeps.bench import Bench
from research.sweeps.lineage import lineage_id
from research.sweeps.plan import Run
from research.sweeps.result import Result
from research.sweeps.work import Work
from research.tasks.sampling import draw
from research.training.checkpoint import Checkpoints
from research.training.loop import Outcome, Report, fit
from research.training.parallel import step_on
from research.training.step import Program


def cohorts(runs: Sequence[Run]) -> list[list[Run]]:
    """The runs that can share a compiled step, together; decided by the plan alone."""
    groups: dict[Any, list[Run]] = {}
    for run in runs:
        stages = run.approach.stages
        shape = tuple((jax.tree.structure(stage.methods), stage.schedule) for stage in stages)
        groups.setdefault(shape, []).append(run)
    return list(groups.values())


def cohort_id(runs: Sequence[Run]) -> str:
    """The id of the cohort these runs are, in this order."""
    return hashlib.sha256(" ".join(run.id for run in runs).encode()).hexdigest()[:16]


def run_cohort(runs: Sequence[Run], bench: Bench, report: Report) -> list[Result]:
    """Trains the runs of one cohort, or resumes them, and scores them on train and dev."""
    begun, id = _spent(), cohort_id(runs)
    work = [Work(run, bench) for run in runs]
    for index in range(len(runs[0].approach.stages)):
        for one, outcome in zip(work, _outcomes(work, index, bench, report), strict=True):
            one.keep(outcome)
    results = [one.result() for one in work]
    spent = {name: round(now - begun[name], 3) for name, now in _spent().items()}
    return [replace(result, cohort=id, costs={**result.costs, **spent}) for result in results]


def _outcomes(work: Sequence[Work], index: int, bench: Bench, report: Report) -> list[Outcome]:
    """Of stage `index` for each run; trained once for those that have the same lineage. What
    other stages follow is kept for the runs of other cohorts too.
    """
    ids = [lineage_id(one.run, index) for one in work]
    first = {id: work[ids.index(id)] for id in ids}

    def outcomes() -> dict[str, Outcome]:
        folder = bench.checkpoints / cohort_id([one.run for one in work]) / f"stage_{index}"
        trained = _fit(list(first.values()), index, bench, report, folder)
        return dict(zip(first, trained, strict=True))

    if index == len(work[0].approach.stages) - 1:
        found = outcomes()
    else:
        found = bench.stages.once(first, outcomes)
    return [found[id] for id in ids]


def _fit(
    work: Sequence[Work], index: int, bench: Bench, report: Report, folder: Path
) -> list[Outcome]:
    run = work[0].run
    stage, data = run.approach.stages[index], [one.stage_data(index) for one in work]
    task = run.cell.task if stage.task is None else run.cell.tasks[stage.task]
    identity = {"runs": [one.run.id for one in work], "backbone": bench.backbone.checksum}
    return fit(
        Program(bench.backbone.model, stage.schedule, bench.dtype),
        bench.devices,
        [one.member(index, own) for one, own in zip(work, data, strict=True)],
        data[0].answering,
        task.metric,
        Checkpoints(folder, identity),
        report,
    )


def _spent() -> dict[str, float]:
    """What this thread has spent so far; a cohort's share is the difference."""
    return {
        "sweep_seconds": time.perf_counter(),
        "compile_seconds": compile_seconds(),
        "compile_cache_hits": compile_cache_hits(),
    }


def check_run(run: Run, bench: Bench) -> None:
    """Raises InputError for whatever would stop the run, before anything is trained."""
    if run.approach.baseline is not None:
        draw(run.cell.task, run.cell.regime, run.seed, run.cell.experiment.max_dev)
        return
    work = Work(run, bench)
    for index, stage in enumerate(run.approach.stages):
        work.check(index)
        step_on(Program(bench.backbone.model, stage.schedule, bench.dtype), bench.devices)
