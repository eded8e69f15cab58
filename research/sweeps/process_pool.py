"""The worker processes of a sweep on CPU, each pinned to cores of its own.

A process on its own core does 1.3 to 1.6 times as many steps as a thread, because threads share
XLA's one thread pool.
"""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, as_completed
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax

from research.common.errors import InputError
from research.experiments.cohorts import Shard
from research.experiments.experiment import Experiment
from research.runtime.compilation_cache import compiled_folder
from research.runtime.scratch import ScratchFolder
from research.runtime.threads import cores
from research.sweeps.executor import ShardWork, executing
from research.sweeps.failures import RunFailed, WorkerLost, failing
from research.sweeps.messages import Command, ShardRef, TestShard, TrainShard, WorkerInit
from research.sweeps.run_progress import ExecutionProgress, Stopped
from research.sweeps.work_queue import WorkItem, WorkQueue
from research.sweeps.worker_process import WorkerProcess

STARTS = 2  # times that a worker may end while it starts


class ProcessPool:
    """An `Executor` with several worker processes; one thread of this process waits on each.

    A worker that ends is replaced by another, and the runs that it was executing have failed. An
    error that is not one of runs ends all workers. They end with this process, however it ends.
    """

    def __init__(
        self, experiment: Experiment, folder: Path, workers: int, progress: ExecutionProgress
    ):
        self.experiment, self.progress = experiment, progress
        self.queue = WorkQueue(workers)
        self.scratch = ScratchFolder()
        self.init = WorkerInit(
            experiment=experiment,
            folder=folder,
            jax_settings=_jax_settings(),
            lock_folder=self.scratch.path,
        )
        self.workers = dict[int, WorkerProcess]()
        self.threads = [
            threading.Thread(target=self._serve, args=(worker,), daemon=True)
            for worker in range(workers)
        ]
        for thread in self.threads:
            thread.start()

    def train(self, works: Iterable[ShardWork], done: Callable[[Shard], None]) -> None:
        items = {self._submit(TrainShard(ShardRef.of(work)), work): work for work in works}
        self._execute(items, done)

    def test(self, works: Iterable[ShardWork]) -> None:
        items = {self._submit(TestShard(ShardRef.of(work)), work): work for work in works}
        self._execute(items, lambda shard: None)

    def close(self) -> None:
        """Ends the workers at once."""
        self.queue.fail(Stopped())
        for worker in list(self.workers.values()):
            worker.end()
        for thread in self.threads:
            thread.join()
        self.scratch.remove()

    def _execute(self, items: dict[Future[None], ShardWork], done: Callable[[Shard], None]) -> None:
        """Waits for the items. After the first failure those that wait are not executed."""
        first: RunFailed | None = None
        for future in as_completed(items):
            try:
                future.result()
            except CancelledError:
                continue
            except RunFailed as error:
                first = first or error
                self.queue.withdraw(items)
            else:
                done(items[future].shard)
        if first is not None:
            raise first

    def _submit(self, command: Command, work: ShardWork) -> Future[None]:
        cell, seed = work.shard.cohort[0].cell, work.shard.runs[0].seeds.sample
        data = (cell.order["task"], cell.order["regime"], seed)
        runs = work.runs if isinstance(command, TestShard) else work.shard.runs
        item = WorkItem(command, runs, data)
        self.queue.add(item)
        return item.future

    def _serve(self, worker: int) -> None:
        """Keeps a worker process, sends it its commands, and starts another if it ends."""
        try:
            while self.queue.error is None:
                process = self._start(worker)
                while (item := self.queue.take(worker)) is not None:
                    error = _execute_item(process, item, self.progress)
                    self.queue.settle(worker, item, error)
                    if isinstance(error, RunFailed):
                        process.end()
                        break
                    if error is not None:
                        raise error
        except BaseException as error:
            self.queue.fail(error)

    def _start(self, worker: int) -> WorkerProcess:
        """A worker process that is ready. Raises InputError where it ends before."""
        for _ in range(STARTS - 1):
            with suppress(WorkerLost):
                return self._started(worker)
        try:
            return self._started(worker)
        except WorkerLost as error:
            raise InputError("workers", len(self.threads), str(error)) from error

    def _started(self, worker: int) -> WorkerProcess:
        cores = cores_of(worker, self.experiment.devices.threads)
        with self.queue.starting(worker):
            process = WorkerProcess(self.init, cores, self.progress.report)
            self.workers[worker] = process
        process.wait_until_ready()
        return process


def _execute_item(
    process: WorkerProcess, item: WorkItem, progress: ExecutionProgress
) -> BaseException | None:
    """Executes an item and returns the error that stopped it, or None."""
    try:
        on_test = isinstance(item.command, TestShard)
        with executing(progress, item.runs, on_test), failing(item.runs):
            process.execute(item.command)
    except BaseException as error:
        return error
    return None


def cores_of(worker: int, threads: int) -> list[int]:
    """The cores that a worker is pinned to, as many as its threads where there are enough."""
    available = cores()
    return [available[(worker * threads + i) % len(available)] for i in range(threads)]


def _jax_settings() -> dict[str, Any]:
    """The JAX settings of this process, for its workers.

    A default folder of compiled programs is left out: it may be for another number of threads.
    """
    settings = dict(jax.config.values)
    folder = settings["jax_compilation_cache_dir"]
    if folder is not None and Path(folder).parent == compiled_folder().parent:
        settings["jax_compilation_cache_dir"] = None
    return settings
