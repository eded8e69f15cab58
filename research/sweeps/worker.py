"""A worker process of a sweep, with its own run context, pinned to cores of its own."""

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection

import jax

from research.experiments.plan import CellPlan
from research.records.store import RunStore
from research.runs.context import open_context
from research.runtime.compilation_cache import keep_compiled
from research.runtime.compile_lock import set_lock_folder
from research.runtime.memory import compute_in_caller
from research.runtime.process import prepare
from research.runtime.threads import use_threads
from research.sweeps.executor import RunExecutor
from research.sweeps.messages import (
    CellIndex,
    Command,
    CommandDone,
    ProgressReport,
    TrainShard,
    WorkerFailed,
    WorkerInit,
    WorkerReady,
    cell_index,
)
from research.sweeps.run_progress import RunProgress


def serve_commands(connection: Connection, cores: Sequence[int]) -> None:
    """Executes the commands that come through `connection`, after a `WorkerInit`.

    Sends `WorkerReady` when it is set up, then `ProgressReport`s and a `CommandDone` for each
    command. An error is sent as `WorkerFailed` and ends the worker.
    """
    prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep ends its workers itself
    os.sched_setaffinity(0, cores)  # before JAX starts its threads
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        plan, executor = _set_up(connection.recv(), connection)
        connection.send(WorkerReady())
        while True:
            _execute(connection.recv(), plan, executor)
            connection.send(CommandDone())
    except (EOFError, BrokenPipeError):
        pass  # the sweep has ended
    except Exception as error:
        with suppress(OSError):  # the sweep has ended
            connection.send(WorkerFailed(_portable(error)))


def _execute(command: Command, plan: dict[CellIndex, CellPlan], executor: RunExecutor) -> None:
    work = command.ref.find(plan)
    if isinstance(command, TrainShard):
        executor.train(work)
    else:
        executor.test(work)


def _set_up(
    init: WorkerInit, connection: Connection
) -> tuple[dict[CellIndex, CellPlan], RunExecutor]:
    """The plan and the executor of this process."""
    for name, value in init.jax_settings.items():
        if jax.config.values[name] != value:
            jax.config.update(name, value)
    use_threads(init.experiment.devices.threads)
    compute_in_caller()
    keep_compiled()
    set_lock_folder(init.lock_folder)
    experiment = init.experiment
    context = open_context(experiment, init.folder)
    tasks = {settings.name: settings.load() for settings in experiment.all_tasks}
    plan = {cell_index(cell): cell for cell in context.cells(experiment, tasks)}

    def report(progress: RunProgress) -> None:
        connection.send(ProgressReport(progress))

    return plan, RunExecutor(context, RunStore(init.folder), report)


def _portable(error: Exception) -> Exception:
    """The error if it can be pickled, else one with the same message; its traceback is a note."""
    try:
        portable = pickle.loads(pickle.dumps(error))
    except Exception:  # pickling calls methods of the error's class, which may raise anything
        portable = RuntimeError(f"{type(error).__name__}: {error}")
    portable.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    return portable


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
