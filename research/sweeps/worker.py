"""A worker process of a sweep: a context of its own on one core."""

import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import jax

from research.experiments.approach import Trial
from research.experiments.cohorts import Shard
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, Run, cells
from research.experiments.seeds import Seeds
from research.records.store import RunStore
from research.runs.context import open_context
from research.runtime.compilation_cache import keep_compiled
from research.runtime.compile_lock import set_lock_folder
from research.runtime.process import prepare
from research.sweeps.executor import RunExecutor

CellIndex = tuple[int, ...]  # of a cell in the plan


@dataclass(frozen=True)
class WorkerInit:
    """What a worker is told first. jax: the settings of JAX that it is to share. turns: where all
    workers take turns at compiling.
    """

    experiment: Experiment
    folder: Path
    jax: Mapping[str, Any]
    turns: Path


@dataclass(frozen=True)
class ShardRef:
    """A share of a cell, and runs of it, as another process finds them in its own plan.

    cohort: the trial and seed, or seeds, of each member. share, runs: which of them are meant.
    """

    cell: CellIndex
    cohort: Sequence[tuple[Trial, int | Seeds]] = ()
    share: Sequence[int] = ()
    runs: Sequence[int] = ()

    @classmethod
    def of(cls, share: Shard, runs: Sequence[Run]) -> "ShardRef":
        whole = [run.id for run in share.cohort]
        return cls(
            cell_index(share.cohort[0].cell),
            [(dict(run.trial), run.seed) for run in share.cohort],
            [whole.index(run.id) for run in share.runs],
            [whole.index(run.id) for run in runs],
        )

    def find(self, plan: Mapping[CellIndex, CellPlan]) -> tuple[Any, ...]:
        """(share, runs), or the cell if no share was meant."""
        cell = plan[self.cell]
        if not self.cohort:
            return (cell,)
        cohort = tuple(Run(cell, trial, seed) for trial, seed in self.cohort)
        share = Shard(cohort, tuple(cohort[i] for i in self.share))
        return share, [cohort[i] for i in self.runs]


def cell_index(cell: CellPlan) -> CellIndex:
    """By which a cell is the same in every process."""
    return tuple(cell.order.values())


def work(connection: Connection, core: int) -> None:
    """Does what comes through `connection`: a `Setup`, then (method of `Desk`, `Address`).

    Says `report` with a line, `done`, or `failed` with an error, which is its end.
    """
    prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep says when to end
    os.sched_setaffinity(0, {core})  # before JAX starts its threads
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        plan, run_executor = _prepared(connection.recv(), connection)
        while True:
            method, address = connection.recv()
            getattr(run_executor, method)(*address.find(plan))
            connection.send(("done", None))
    except (EOFError, BrokenPipeError):
        pass  # the sweep has ended
    except Exception as error:
        connection.send(("failed", _portable(error)))


def _prepared(
    setup: WorkerInit, connection: Connection
) -> tuple[dict[CellIndex, CellPlan], RunExecutor]:
    """The plan, by place, and where it is worked on."""
    for name, value in setup.jax.items():
        if jax.config.values[name] != value:
            jax.config.update(name, value)
    keep_compiled()
    set_lock_folder(setup.turns)
    experiment = setup.experiment
    context = open_context(experiment, setup.folder)
    tasks = {settings.name: settings.load() for settings in experiment.all_tasks}
    plan = {cell_index(cell): cell for cell in cells(experiment, tasks, context.backbone.checksum)}
    run_executor = RunExecutor(
        context, RunStore(setup.folder), lambda line: connection.send(("report", line))
    )
    return plan, run_executor


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same, with where it came from as a note."""
    try:
        portable = pickle.loads(pickle.dumps(error))
    except Exception:  # whatever a class of errors makes of being pickled
        portable = RuntimeError(f"{type(error).__name__}: {error}")
    portable.add_note("In a worker process:\n" + "".join(traceback.format_exception(error)))
    return portable


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
