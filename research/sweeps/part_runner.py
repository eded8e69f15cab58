"""Runs the part of a sweep with one backbone."""

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from research.experiments.plan import CellPlan
from research.records.store import RunStore
from research.records.test_access_log import TestAccessLog
from research.runs.context import RunContext
from research.runs.open_contexts import OpenContexts
from research.sweeps.cell_runner import CellRun
from research.sweeps.dry_run.memory import process_bytes
from research.sweeps.executor import Executor, LocalExecutor, RunExecutor
from research.sweeps.failures import FailureLog, RunFailed, is_ours
from research.sweeps.process_pool import ProcessPool
from research.sweeps.progress import SweepProgress
from research.sweeps.sweep_part import SweepPart
from research.sweeps.worker_count import processes, threads

Begin = Callable[[SweepPart, RunContext], SweepPart]


@dataclass(frozen=True)
class SweepFolder:
    """The results folder of a sweep, and its progress.

    Attributes:
        folder: the results folder.
        store: its runs.
        accesses: its log of test evaluations.
        failures: its failures.
        progress: the progress of the sweep.
    """

    folder: Path
    store: RunStore
    accesses: TestAccessLog
    failures: FailureLog
    progress: SweepProgress


def run_part(
    part: SweepPart, contexts: OpenContexts, shared: SweepFolder, begin: Begin | None = None
) -> list[CellPlan]:
    """Finishes the cells of a part; returns those that failed.

    Args:
        part: the part.
        contexts: opens the context of its backbone.
        shared: the results folder.
        begin: called while worker processes start; returns the part to finish.
    """
    context, progress = contexts.of(part.experiment), shared.progress
    with _executor(part, context, shared) as (executor, parallel):
        part = part if begin is None else begin(part, context)
        done, missing = (
            [CellRun(cell, context, shared.store, shared.accesses, progress) for cell in cells]
            for cells in (part.done, part.missing)
        )
        for run in (*done, *missing):
            context.stage_cache.expect(run.stages)
        for run in done:
            run.count_stored()
            run.clear()
        for run in done:
            shared.failures.remove(run.cell)
        for cell, reason in part.refused:
            shared.failures.refuse(cell, reason)
            progress.note(f"{cell}: not run: {reason}")
        failed = _finish(missing, executor, parallel, progress, shared.failures)
        context.clear()
    return [run.cell for run in failed]


@contextmanager
def _executor(
    part: SweepPart, context: RunContext, shared: SweepFolder
) -> Iterator[tuple[Executor, int]]:
    """The executor, and the number of cells that run at the same time."""
    experiment, progress = part.experiment, shared.progress
    bytes_of_process = partial(process_bytes, part.missing, context)
    workers = processes(experiment, part.missing_work, context, bytes_of_process)
    if workers < 2:
        run_executor = RunExecutor(context, shared.store, progress.report)
        parallel = experiment.workers or threads()
        progress.use_workers(parallel)
        yield LocalExecutor(run_executor, progress), parallel
        return
    progress.use_workers(workers)
    pool = ProcessPool(experiment, shared.folder, workers, progress)
    try:
        yield pool, workers + 1  # one more, so that no worker waits for the last run of a search
    finally:
        pool.close()


def _finish(
    runs: Sequence[CellRun],
    executor: Executor,
    parallel: int,
    progress: SweepProgress,
    failures: FailureLog,
) -> list[CellRun]:
    """Finishes the cells in order, `parallel` at a time, and those that fail once more at the end.

    Returns the cells that failed twice. An error that does not belong to a run ends the sweep.
    """
    with ThreadPoolExecutor(parallel) as pool:

        def attempt(runs: Sequence[CellRun]) -> dict[CellRun, RunFailed]:
            futures = {pool.submit(run.finish, executor): run for run in runs}
            failed: dict[CellRun, RunFailed] = {}
            for future in as_completed(futures):
                run = futures[future]
                try:
                    future.result()
                    failures.remove(run.cell)
                except RunFailed as error:
                    failed[run] = error
            return failed

        try:
            for run, error in (failed := attempt(runs)).items():
                progress.note(f"{run.cell}: {error}; it is tried once more")
            for run, error in (failed := attempt(list(failed))).items():
                failures.add(run.cell, error)
                if is_ours(error):
                    traceback.print_exception(error.__cause__)
        except BaseException:
            progress.stop()
            raise
        finally:
            executor.close()
            pool.shutdown(cancel_futures=True)
    return list(failed)
