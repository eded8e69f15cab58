"""Runs that use the backbone: prompts are only scored, stages are trained, cohort by cohort."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax

from research.executable import compile_cache_hits, compile_seconds
from research.methods.method import mask
from research.sweeps.plan import Run
from research.sweeps.result import Result
from research.sweeps.work import Bench, Work
from research.tasks.sampling import draw
from research.training.checkpoint import Checkpoints
from research.training.loop import Report, fit
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
    for index, stage in enumerate(runs[0].approach.stages):
        identity = {"runs": [run.id for run in runs], "backbone": bench.backbone.checksum}
        outcomes = fit(
            Program(bench.backbone.model, stage.schedule, bench.dtype),
            bench.devices,
            [one.member(index) for one in work],
            work[0].data.labels,
            runs[0].cell.task.metric,
            Checkpoints(bench.checkpoints / id / f"stage_{index}", identity),
            report,
        )
        for one, outcome in zip(work, outcomes, strict=True):
            one.keep(outcome)
    results = [one.result() for one in work]
    spent = {name: round(now - begun[name], 3) for name, now in _spent().items()}
    return [replace(result, cohort=id, costs={**result.costs, **spent}) for result in results]


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
        mask(stage.methods, work.member(index).leaves)
        step_on(Program(bench.backbone.model, stage.schedule, bench.dtype), bench.devices)
