"""Runs what is missing of an experiment."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from research.experiments.experiment import Experiment
from research.experiments.plan import cells
from research.records.store import Ledger
from research.records.test_access import Looks
from research.runs.context import Bench, open_bench
from research.sweeps.cell_runner import CellRun
from research.sweeps.data_report import lines, surveyed, write_surveys
from research.sweeps.executor import Desk, Hands, OwnHands
from research.sweeps.folder_lock import claimed
from research.sweeps.process_pool import Crew
from research.sweeps.progress import Progress
from research.sweeps.worker_count import processes, threads


def sweep(experiment: Experiment, folder: Path, console: Console) -> None:
    """Brings every cell to its end, records in `folder`; shows progress on `console`.

    Everything that can be wrong with the input is found before anything is trained.
    Raises InputError.
    """
    tasks = {settings.name: settings.load() for settings in experiment.all_tasks}
    bench = open_bench(experiment, folder)
    plan = list(cells(experiment, tasks, bench.backbone.checksum))
    ledger, looks, progress = Ledger(folder), Looks(folder), Progress(plan, console)
    stored = ledger.all()  # raises for a record that is not what it was
    looks.all()
    every = [CellRun(cell, bench, ledger, looks, progress) for cell in plan]
    done = [run for run in every if run.is_done()]
    missing = [run for run in every if run not in done]
    with _hands(experiment, folder, missing, bench, progress) as (hands, at_once):
        for run in missing:  # while worker processes start
            run.check()
        with claimed(folder):
            ledger.clear()
            looks.recover(stored, tasks.values())
            looked = surveyed(
                experiment, tasks.values(), bench.backbone.model, bench.tokenizer, folder
            )
            write_surveys(folder, looked)
            for line in lines(looked):
                console.print(line, highlight=False, markup=False, soft_wrap=True)
            for run in every:
                bench.stages.expect(run.stages)
            for run in done:
                progress.skip(run.cell)
                run.clear()
            _finish(missing, hands, at_once, progress)
            bench.clear()
    progress.close()


@contextmanager
def _hands(
    experiment: Experiment,
    folder: Path,
    missing: Sequence[CellRun],
    bench: Bench,
    progress: Progress,
) -> Iterator[tuple[Hands, int]]:
    """Who does the work, and how many cells are at work at once."""
    workers = processes(experiment, [run.cell for run in missing], bench)
    if workers < 2:
        desk = Desk(bench, Ledger(folder), progress.report)
        yield OwnHands(desk), experiment.workers or threads()
        return
    crew = Crew(experiment, folder, workers, progress.report)
    try:
        yield crew, workers + 1  # one more, so that none waits for the last run of a search
    finally:
        crew.close()


def _finish(runs: Sequence[CellRun], hands: Hands, at_once: int, progress: Progress) -> None:
    """Finishes the cells in order, so many at a time; the first error ends all."""
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(run.finish, hands) for run in runs]
        try:
            for future in as_completed(futures):
                future.result()
        finally:
            progress.stop()
            hands.close()
            pool.shutdown(cancel_futures=True)
