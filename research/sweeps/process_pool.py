"""The worker processes of a sweep on CPU, each pinned to cores of its own.

A process on its own core does 1.3 to 1.6 times as many steps as a thread, because threads share
XLA's one thread pool.
"""

import multiprocessing
import threading
from collections.abc import Callable, Hashable, Iterable
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
from research.runtime.compilation_cache import compiled_folder
from research.runtime.threads import cores
from research.sweeps.executor import ShardWork
from research.sweeps.messages import (
    Command,
    CommandDone,
    Reply,
    ShardRef,
    TestShard,
    TrainShard,
    WorkerFailed,
    WorkerInit,
)
from research.sweeps.progress import Report, Stopped
from research.sweeps.worker import serve_commands


@dataclass(eq=False)
class WorkItem:
    """A command that waits for a worker or is being executed.

    Attributes:
        command: the command.
        data: the data that it works on: task, regime and sample seed.
        future: set when the command has been executed.
    """

    command: Command
    data: Hashable
    future: Future[None] = field(default_factory=Future)


class ProcessPool:
    """An `Executor` with several worker processes; one thread of this process waits on each.

    The first error ends all workers. They end with this process, however it ends.
    """

    def __init__(self, experiment: Experiment, folder: Path, workers: int, report: Report):
        self.report, self.waiting = report, list[WorkItem]()
        self.running = dict[int, WorkItem]()  # by worker
        self.error: BaseException | None = None
        self.changed = threading.Condition()
        self.encoded_data: list[set[Hashable]] = [set() for _ in range(workers)]  # by worker
        self.lock_folder = TemporaryDirectory(prefix="adaptlab-")
        init = WorkerInit(
            experiment=experiment,
            folder=folder,
            jax_settings=_jax_settings(),
            lock_folder=Path(self.lock_folder.name),
        )
        spawn = multiprocessing.get_context("spawn")
        self.processes = []
        for worker in range(workers):
            here, there = spawn.Pipe()
            arguments = (there, cores_of(worker, experiment.devices.threads))
            self.processes.append(spawn.Process(target=serve_commands, args=arguments, daemon=True))
            self.processes[-1].start()
            there.close()
            threading.Thread(target=self._serve, args=(worker, here, init), daemon=True).start()

    def train(self, works: Iterable[ShardWork], done: Callable[[Shard], None]) -> None:
        futures = {self._submit(TrainShard(ShardRef.of(work)), work): work for work in works}
        for future in as_completed(futures):
            future.result()
            done(futures[future].shard)

    def test(self, works: Iterable[ShardWork]) -> None:
        futures = [self._submit(TestShard(ShardRef.of(work)), work) for work in works]
        for future in as_completed(futures):
            future.result()

    def close(self) -> None:
        """Ends the workers at once."""
        self._fail(Stopped())
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.join()
        self.lock_folder.cleanup()

    def _submit(self, command: Command, work: ShardWork) -> Future[None]:
        cell, seed = work.shard.cohort[0].cell, work.shard.runs[0].seeds.sample
        item = WorkItem(command, data=(cell.order["task"], cell.order["regime"], seed))
        with self.changed:
            if self.error is not None:
                item.future.set_exception(self.error)
            else:
                self.waiting.append(item)
                self.changed.notify_all()
        return item.future

    def _next(self, worker: int) -> WorkItem | None:
        """Takes the item that suits a worker best, waiting for one; None at the end."""
        with self.changed:
            while self.error is None:
                if self.waiting:
                    item = min(self.waiting, key=lambda item: self._preference(item, worker))
                    self.waiting.remove(item)
                    self.encoded_data[worker].add(item.data)
                    self.running[worker] = item
                    return item
                self.changed.wait()
        return None

    def _preference(self, item: WorkItem, worker: int) -> int:
        """Lowest for data that this worker has encoded and has zero-shot scores of, highest for
        data that only another worker has.
        """
        if item.data in self.encoded_data[worker]:
            return 0
        return 2 if any(item.data in encoded for encoded in self.encoded_data) else 1

    def _serve(self, worker: int, connection: Connection, init: WorkerInit) -> None:
        """Sends a worker its commands, one after the other."""
        try:
            connection.send(init)
            while (item := self._next(worker)) is not None:
                connection.send(item.command)
                self._wait(connection)
                self.running.pop(worker).future.set_result(None)
        except (EOFError, OSError):
            allowed = "a worker process was ended, perhaps for lack of memory; use fewer workers"
            self._fail(InputError("workers", len(self.processes), allowed))
        except BaseException as error:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        """Fails all items, present and future, with the first error."""
        with self.changed:
            self.error = self.error or error
            for item in (*self.waiting, *self.running.values()):
                if not item.future.done():
                    item.future.set_exception(self.error)
            self.waiting.clear()
            self.changed.notify_all()

    def _wait(self, connection: Connection) -> None:
        """Waits until a command has been executed; raises the error that stopped it."""
        while True:
            reply: Reply = connection.recv()
            if isinstance(reply, CommandDone):
                return
            if isinstance(reply, WorkerFailed):
                raise reply.error
            self.report(reply.line)


def _jax_settings() -> dict[str, Any]:
    """The JAX settings of this process, for its workers.

    A default folder of compiled programs is left out: it may be for another number of threads.
    """
    settings = dict(jax.config.values)
    folder = settings["jax_compilation_cache_dir"]
    if folder is not None and Path(folder).parent == compiled_folder().parent:
        settings["jax_compilation_cache_dir"] = None
    return settings


def cores_of(worker: int, threads: int) -> list[int]:
    """The cores that a worker is pinned to, as many as its threads where there are enough."""
    available = cores()
    return [available[(worker * threads + i) % len(available)] for i in range(threads)]
