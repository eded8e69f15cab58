"""Runs an experiment: executes every run that is missing in its results folder."""

import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from research.common.printable import printable
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.records.data_report import report_lines, write_data_report
from research.records.failures import Failure
from research.records.store import RunStore
from research.records.test_access_log import TestAccessLog
from research.runs.context import RunContext, open_context
from research.sweeps.cell_runner import CellRun
from research.sweeps.cell_work import CellWork, cell_work
from research.sweeps.data_report import check_data
from research.sweeps.executor import Executor, LocalExecutor, RunExecutor
from research.sweeps.failures import FailureLog, RunFailed, is_ours
from research.sweeps.folder_lock import folder_lock
from research.sweeps.process_pool import ProcessPool
from research.sweeps.progress import SweepProgress
from research.sweeps.row_tokens import row_tokens
from research.sweeps.worker_count import processes, threads


def sweep(experiment: Experiment, folder: Path, console: Console) -> list[Failure]:
    """Runs every cell to completion, with records in `folder` and progress on `console`.

    All input is checked before anything is trained. A cell with a run that fails is tried once more
    after the others. Returns the failures of cells that failed again. Raises InputError.
    """
    tasks = {settings.name: settings.load() for settings in experiment.all_tasks}
    context = open_context(experiment, folder)
    plan = context.cells(experiment, tasks)
    store, accesses = RunStore(folder), TestAccessLog(folder)
    work = _work(plan, context)
    progress = SweepProgress(work, console)
    stored = store.all()  # raises for a damaged record
    accesses.all()
    cell_runs = [CellRun(cell, context, store, accesses, progress) for cell in plan]
    is_done = [run.is_done() for run in cell_runs]
    done = [run for run, all_stored in zip(cell_runs, is_done, strict=True) if all_stored]
    missing = [run for run, all_stored in zip(cell_runs, is_done, strict=True) if not all_stored]
    missing_work = [cell for cell, all_stored in zip(work, is_done, strict=True) if not all_stored]
    with _executor(experiment, folder, missing_work, context, progress) as (executor, parallel):
        for run in missing:  # while worker processes start
            run.check()
        with folder_lock(folder):
            store.clear()
            accesses.backfill(stored, tasks.values())
            data_report = check_data(
                experiment, tasks.values(), context.backbone.model, context.tokenizer, folder
            )
            write_data_report(folder, data_report)
            for line in report_lines(data_report):
                console.print(printable(line), highlight=False, markup=False, soft_wrap=True)
            for run in cell_runs:
                context.stage_cache.expect(run.stages)
            for run in done:
                run.count_stored()
                run.clear()
            failures = FailureLog(folder)
            for run in done:
                failures.remove(run.cell)
            failed = _finish(missing, executor, parallel, progress, failures)
            context.clear()
    progress.close()
    cells_failed = {run.cell.key for run in failed}
    return [failure for failure in failures.all if failure.cell in cells_failed]


def _work(plan: Sequence[CellPlan], context: RunContext) -> list[CellWork]:
    """The work of each cell."""
    tasks = {cell.task.name: cell.task for cell in plan}
    limit = context.backbone.model.config.context
    rows = {name: row_tokens(task, context.tokenizer, limit) for name, task in tasks.items()}
    return [cell_work(cell, context.backbone.parameters, rows[cell.task.name]) for cell in plan]


@contextmanager
def _executor(
    experiment: Experiment,
    folder: Path,
    missing: Sequence[CellWork],
    context: RunContext,
    progress: SweepProgress,
) -> Iterator[tuple[Executor, int]]:
    """The executor, and the number of cells that run at the same time."""
    workers = processes(experiment, missing, context)
    if workers < 2:
        run_executor = RunExecutor(context, RunStore(folder), progress.report)
        parallel = experiment.workers or threads()
        progress.use_workers(parallel)
        yield LocalExecutor(run_executor, progress), parallel
        return
    progress.use_workers(workers)
    pool = ProcessPool(experiment, folder, workers, progress)
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
        finally:
            progress.stop()
            executor.close()
            pool.shutdown(cancel_futures=True)
    return list(failed)
