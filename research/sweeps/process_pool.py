"""The worker processes of a sweep on CPU, each pinned to a core.

A process on a core of its own does 1.3 to 1.6 times the steps that a thread does, since threads
meet in XLA's one pool.
"""

import multiprocessing
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, as_completed
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jax

from research.common.errors import InputError
from research.experiments.cohorts import Shard
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.runtime.compilation_cache import compiled_folder, cores
from research.sweeps.executor import ShardWork
from research.sweeps.progress import Report, Stopped
from research.sweeps.worker import ShardRef, WorkerInit, cell_index, work


@dataclass(eq=False)
class WorkItem:
    """A method of `Desk` and what it is to be called with.

    data: the kind of data that is worked on. worker: the only one that may do it, None for any.
    """

    method: str
    address: ShardRef
    data: Any = None
    worker: int | None = None
    future: Future[int] = field(default_factory=Future)


class ProcessPool:
    """`Hands` of as many processes; a thread of this process waits on each.

    The first error ends all. Workers end with this process, however that ends.
    """

    def __init__(self, experiment: Experiment, folder: Path, workers: int, report: Report):
        self.report, self.jobs, self.current = report, list[WorkItem](), dict[int, WorkItem]()
        self.error: BaseException | None = None
        self.ready = threading.Condition()
        self.seen: list[set[Any]] = [set() for _ in range(workers)]  # data, by worker
        self.holders: dict[tuple[str, ...], int] = {}  # who has what a share gave
        self.turns = TemporaryDirectory(prefix="adaptlab-")
        setup = WorkerInit(experiment, folder, _jax_settings(), Path(self.turns.name))
        context, free = multiprocessing.get_context("spawn"), cores()
        self.processes = []
        for worker in range(workers):
            here, there = context.Pipe()
            arguments = (there, free[worker % len(free)])
            self.processes.append(context.Process(target=work, args=arguments, daemon=True))
            self.processes[-1].start()
            there.close()
            threading.Thread(target=self._serve, args=(worker, here, setup), daemon=True).start()

    def train(self, tasks: Iterable[ShardWork], done: Callable[[Shard], None]) -> None:
        given = {self._add("train", task): task[0] for task in tasks}
        for future in as_completed(given):
            share = given[future]
            self.holders[_key(share)] = future.result()
            done(share)

    def test(self, tasks: Iterable[ShardWork]) -> None:
        for future in as_completed([self._add("test", task) for task in tasks]):
            future.result()

    def forget(self, cell: CellPlan) -> None:
        for worker in range(len(self.processes)):
            self._put(WorkItem("forget", ShardRef(cell_index(cell)), worker=worker))

    def close(self) -> None:
        """Ends the workers at once."""
        self._fail(Stopped())
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()
        self.turns.cleanup()

    def _add(self, method: str, task: ShardWork) -> Future[int]:
        share, runs = task
        cell, seed = share.cohort[0].cell, share.runs[0].seeds.sample
        data = (cell.order["task"], cell.order["regime"], seed)
        holder = self.holders.get(_key(share))
        return self._put(WorkItem(method, ShardRef.of(share, runs), data, holder))

    def _put(self, job: WorkItem) -> Future[int]:
        with self.ready:
            if self.error is not None:
                job.future.set_exception(self.error)
            else:
                self.jobs.append(job)
                self.ready.notify_all()
        return job.future

    def _next(self, worker: int) -> WorkItem | None:
        """Takes the job that suits a worker best, waiting for one; None at the end."""

        def strangeness(job: WorkItem) -> int:
            """What is encoded and was answered without training need not be so again."""
            if job.worker == worker or job.data in self.seen[worker]:
                return 0
            return 2 if any(job.data in seen for seen in self.seen) else 1

        with self.ready:
            while self.error is None:
                mine = [job for job in self.jobs if job.worker in (None, worker)]
                if mine:
                    job = min(mine, key=strangeness)
                    self.jobs.remove(job)
                    self.seen[worker].add(job.data)
                    self.current[worker] = job
                    return job
                self.ready.wait()
        return None

    def _serve(self, worker: int, connection: Connection, setup: WorkerInit) -> None:
        """Gives a worker its jobs, one after the other."""
        try:
            connection.send(setup)
            while (job := self._next(worker)) is not None:
                connection.send((job.method, job.address))
                self._wait(connection)
                self.current.pop(worker).future.set_result(worker)
        except (EOFError, OSError):
            allowed = "a worker process was ended, perhaps for want of memory; fewer need less"
            self._fail(InputError("workers", len(self.processes), allowed))
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Ends all that is or will be asked for."""
        with self.ready:
            self.error = self.error or error
            for job in (*self.jobs, *self.current.values()):
                if not job.future.done():
                    job.future.set_exception(self.error)
            self.jobs.clear()
            self.ready.notify_all()

    def _wait(self, connection: Connection) -> None:
        """Until a job is done; raises what stopped it."""
        while True:
            said, what = connection.recv()
            if said == "done":
                return
            if said == "failed":
                raise what
            self.report(what)


def _key(share: Shard) -> tuple[str, ...]:
    return tuple(run.id for run in share.runs)


def _jax_settings() -> dict[str, Any]:
    """Those of this process. Kept programs are the workers' own where nobody said where to keep
    them: they are made for one core.
    """
    settings = dict(jax.config.values)
    if settings["jax_compilation_cache_dir"] == str(compiled_folder()):
        settings["jax_compilation_cache_dir"] = None
    return settings
