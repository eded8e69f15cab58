"""A worker process of a sweep: a bench of its own on one core."""

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
from research.experiments.cohorts import Share
from research.experiments.experiment import Experiment
from research.experiments.plan import Cell, Run, cells
from research.experiments.seeds import Seeds
from research.records.store import Ledger
from research.runs.context import open_bench
from research.runtime.compilation_cache import keep_compiled
from research.runtime.compile_lock import take_turns
from research.sweeps.executor import Desk

Place = tuple[int, ...]  # of a cell in the plan


@dataclass(frozen=True)
class Setup:
    """What a worker is told first. jax: the settings of JAX that it is to share. turns: where all
    workers take turns at compiling.
    """

    experiment: Experiment
    folder: Path
    jax: Mapping[str, Any]
    turns: Path


@dataclass(frozen=True)
class Address:
    """A share of a cell, and runs of it, as another process finds them in its own plan.

    cohort: the trial and seed, or seeds, of each member. share, runs: which of them are meant.
    """

    cell: Place
    cohort: Sequence[tuple[Trial, int | Seeds]] = ()
    share: Sequence[int] = ()
    runs: Sequence[int] = ()

    @classmethod
    def of(cls, share: Share, runs: Sequence[Run]) -> "Address":
        whole = [run.id for run in share.cohort]
        return cls(
            place(share.cohort[0].cell),
            [(dict(run.trial), run.seed) for run in share.cohort],
            [whole.index(run.id) for run in share.runs],
            [whole.index(run.id) for run in runs],
        )

    def find(self, plan: Mapping[Place, Cell]) -> tuple[Any, ...]:
        """(share, runs), or the cell if no share was meant."""
        cell = plan[self.cell]
        if not self.cohort:
            return (cell,)
        cohort = tuple(Run(cell, trial, seed) for trial, seed in self.cohort)
        share = Share(cohort, tuple(cohort[i] for i in self.share))
        return share, [cohort[i] for i in self.runs]


def place(cell: Cell) -> Place:
    """By which a cell is the same in every process."""
    return tuple(cell.order.values())


def work(connection: Connection, core: int) -> None:
    """Does what comes through `connection`: a `Setup`, then (method of `Desk`, `Address`).

    Says `report` with a line, `done`, or `failed` with an error, which is its end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the sweep says when to end
    os.sched_setaffinity(0, {core})  # before JAX starts its threads
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        plan, desk = _prepared(connection.recv(), connection)
        while True:
            method, address = connection.recv()
            getattr(desk, method)(*address.find(plan))
            connection.send(("done", None))
    except (EOFError, BrokenPipeError):
        pass  # the sweep has ended
    except Exception as error:
        connection.send(("failed", _portable(error)))


def _prepared(setup: Setup, connection: Connection) -> tuple[dict[Place, Cell], Desk]:
    """The plan, by place, and where it is worked on."""
    for name, value in setup.jax.items():
        if jax.config.values[name] != value:
            jax.config.update(name, value)
    keep_compiled()
    take_turns(setup.turns)
    experiment = setup.experiment
    bench = open_bench(experiment, setup.folder)
    tasks = {settings.name: settings.load() for settings in experiment.all_tasks}
    plan = {place(cell): cell for cell in cells(experiment, tasks, bench.backbone.checksum)}
    desk = Desk(bench, Ledger(setup.folder), lambda line: connection.send(("report", line)))
    return plan, desk


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
