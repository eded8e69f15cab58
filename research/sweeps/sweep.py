"""Runs an experiment: executes every run that is missing in its results folder."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from research.common.printable import printable
from research.experiments.experiment import Experiment
from research.experiments.plan import cells
from research.records.data_report import report_lines, write_data_report
from research.records.store import RunStore
from research.records.test_access import TestAccessLog
from research.runs.context import RunContext, open_context
from research.sweeps.cell_runner import CellRun
from research.sweeps.data_report import check_data
from research.sweeps.executor import Executor, LocalExecutor, RunExecutor
from research.sweeps.folder_lock import folder_lock
from research.sweeps.process_pool import ProcessPool
from research.sweeps.progress import SweepProgress
from research.sweeps.worker_count import processes, threads


def sweep(experiment: Experiment, folder: Path, console: Console) -> None:
    """Runs every cell to completion, with records in `folder` and progress on `console`.

    All input is checked before anything is trained. Raises InputError.
    """
    tasks = {settings.name: settings.load() for settings in experiment.all_tasks}
    context = open_context(experiment, folder)
    plan = list(cells(experiment, tasks, context.backbone.checksum))
    store, looks, progress = RunStore(folder), TestAccessLog(folder), SweepProgress(plan, console)
    stored = store.all()  # raises for a damaged record
    looks.all()
    every = [CellRun(cell, context, store, looks, progress) for cell in plan]
    done = [run for run in every if run.is_done()]
    missing = [run for run in every if run not in done]
    with _executor(experiment, folder, missing, context, progress) as (executor, at_once):
        for run in missing:  # while worker processes start
            run.check()
        with folder_lock(folder):
            store.clear()
            looks.backfill(stored, tasks.values())
            looked = check_data(
                experiment, tasks.values(), context.backbone.model, context.tokenizer, folder
            )
            write_data_report(folder, looked)
            for line in report_lines(looked):
                console.print(printable(line), highlight=False, markup=False, soft_wrap=True)
            for run in every:
                context.stage_cache.expect(run.stages)
            for run in done:
                progress.skip(run.cell)
                run.clear()
            _finish(missing, executor, at_once, progress)
            context.clear()
    progress.close()


@contextmanager
def _executor(
    experiment: Experiment,
    folder: Path,
    missing: Sequence[CellRun],
    context: RunContext,
    progress: SweepProgress,
) -> Iterator[tuple[Executor, int]]:
    """The executor, and the number of cells that run at the same time."""
    workers = processes(experiment, [run.cell for run in missing], context)
    if workers < 2:
        run_executor = RunExecutor(context, RunStore(folder), progress.report)
        yield LocalExecutor(run_executor), experiment.workers or threads()
        return
    pool = ProcessPool(experiment, folder, workers, progress.report)
    try:
        yield pool, workers + 1  # one more, so that no worker waits for the last run of a search
    finally:
        pool.close()


def _finish(
    runs: Sequence[CellRun], executor: Executor, at_once: int, progress: SweepProgress
) -> None:
    """Finishes the cells in order, `at_once` at a time; the first error ends the sweep."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(run.finish, executor) for run in runs]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            progress.stop()
            executor.close()
            pool.shutdown(cancel_futures=True)
