"""The queue of a sweep's work items, which the threads of its workers share."""

import threading
from collections.abc import Collection, Hashable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field

from research.experiments.plan import Run
from research.sweeps.messages import Command


@dataclass(eq=False)
class WorkItem:
    """A command that waits for a worker or is being executed.

    Attributes:
        command: the command.
        runs: the runs that it executes.
        data: the data that it works on: task, regime and sample seed.
        future: set when the command has been executed.
    """

    command: Command
    runs: Sequence[Run]
    data: Hashable
    future: Future[None] = field(default_factory=Future)


class WorkQueue:
    """Items that wait for a worker, and those that workers execute.

    After the first error that does not belong to a run, all items fail with it, later ones too.

    Args:
        workers: number of workers.
    """

    def __init__(self, workers: int):
        self.error: BaseException | None = None
        self._waiting = list[WorkItem]()
        self._running = dict[int, WorkItem]()  # by worker
        self._encoded_data: list[set[Hashable]] = [set() for _ in range(workers)]  # by worker
        self._changed = threading.Condition()

    def add(self, item: WorkItem) -> None:
        """Adds an item; after an error it fails at once."""
        with self._changed:
            if self.error is not None:
                item.future.set_exception(self.error)
            else:
                self._waiting.append(item)
                self._changed.notify_all()

    def withdraw(self, futures: Collection[Future[None]]) -> None:
        """Cancels the items that no worker has begun."""
        with self._changed:
            for item in [item for item in self._waiting if item.future in futures]:
                self._waiting.remove(item)
                item.future.cancel()
                item.future.set_running_or_notify_cancel()  # so that `as_completed` yields it

    def take(self, worker: int) -> WorkItem | None:
        """Takes the item that suits a worker best, waiting for one; None at the end."""
        with self._changed:
            while self.error is None:
                if self._waiting:
                    item = min(self._waiting, key=lambda item: self._preference(item, worker))
                    self._waiting.remove(item)
                    self._encoded_data[worker].add(item.data)
                    self._running[worker] = item
                    return item
                self._changed.wait()
        return None

    def _preference(self, item: WorkItem, worker: int) -> int:
        """Lowest for data that this worker has encoded and has zero-shot scores of, highest for
        data that only another worker has.
        """
        if item.data in self._encoded_data[worker]:
            return 0
        return 2 if any(item.data in encoded for encoded in self._encoded_data) else 1

    @contextmanager
    def starting(self, worker: int) -> Iterator[None]:
        """Starts a worker, which has no encoded data. `fail` waits until it is started.

        Raises the first error, if there is one.
        """
        with self._changed:
            if self.error is not None:
                raise self.error
            yield
            self._encoded_data[worker] = set()

    def settle(self, worker: int, item: WorkItem, error: BaseException | None) -> None:
        """Sets the future of an item that a worker has executed or failed to execute."""
        with self._changed:
            del self._running[worker]
            if item.future.done():  # the sweep ends
                return
            if error is None:
                item.future.set_result(None)
            else:
                item.future.set_exception(error)

    def fail(self, error: BaseException) -> None:
        """Fails all items, later ones too, with the first error."""
        with self._changed:
            self.error = self.error or error
            for item in (*self._waiting, *self._running.values()):
                if not item.future.done():
                    item.future.set_exception(self.error)
            self._waiting.clear()
            self._changed.notify_all()
