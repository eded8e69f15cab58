"""The sweep's side of a worker process: starts it, sends commands and ends it."""

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from research.sweeps.failures import WorkerLost
from research.sweeps.messages import (
    Command,
    CommandDone,
    ProgressReport,
    Reply,
    WorkerFailed,
    WorkerInit,
    WorkerReady,
)
from research.sweeps.run_progress import Report
from research.sweeps.worker import serve_commands

PATIENCE = 10.0  # seconds to wait for the end of a process that has closed its connection


class WorkerProcess:
    """Starts a worker process that ends with this one.

    Args:
        init: the first message to it.
        cores: the cores that it is pinned to.
        report: takes the progress of its runs.
    """

    def __init__(self, init: WorkerInit, cores: Sequence[int], report: Report):
        spawn = multiprocessing.get_context("spawn")
        self.report = report
        self.connection, there = spawn.Pipe()
        self.process = spawn.Process(target=serve_commands, args=(there, cores), daemon=True)
        with _no_interrupts():
            self.process.start()
        there.close()
        self._send(init)

    def wait_until_ready(self) -> None:
        """Waits until it can execute commands.

        Raises WorkerLost, or the error that stopped it.
        """
        self._wait(WorkerReady)

    def execute(self, command: Command) -> None:
        """Waits until a command has been executed.

        Raises WorkerLost, or the error that stopped it; both end the worker.
        """
        self._send(command)
        self._wait(CommandDone)

    def end(self) -> None:
        """Ends the process at once."""
        self.process.kill()
        self.process.join()

    def _send(self, message: WorkerInit | Command) -> None:
        try:
            self.connection.send(message)
        except OSError as error:
            raise self._lost() from error

    def _wait(self, expected: type[WorkerReady] | type[CommandDone]) -> None:
        while not isinstance(reply := self._receive(), expected):
            if isinstance(reply, WorkerFailed):
                raise reply.error
            if isinstance(reply, ProgressReport):
                self.report(reply.progress)

    def _receive(self) -> Reply:
        try:
            return self.connection.recv()
        except (EOFError, OSError) as error:
            raise self._lost() from error

    def _lost(self) -> WorkerLost:
        self.process.join(PATIENCE)
        code = self.process.exitcode
        if code is None or code >= 0:
            return WorkerLost(f"its worker process ended with exit code {code}")
        name = signal.Signals(-code).name
        memory = (
            ", perhaps for lack of memory; fewer workers take less" if name == "SIGKILL" else ""
        )
        return WorkerLost(f"its worker process was ended by {name}{memory}")


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Processes that are started within ignore Ctrl-C from the beginning; the sweep ends them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
