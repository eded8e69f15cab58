"""Messages between a sweep and its worker processes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from research.experiments.approach import Trial
from research.experiments.cohorts import Shard
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, Run
from research.experiments.seeds import Seeds
from research.sweeps.executor import ShardWork
from research.sweeps.run_progress import RunProgress

CellIndex = tuple[int, ...]  # the position of a cell in the plan, the same in every process


def cell_index(cell: CellPlan) -> CellIndex:
    """The position of a cell in the plan."""
    return tuple(cell.order.values())


@dataclass(frozen=True)
class ShardRef:
    """A shard and runs of it, small enough to send; each process finds them in its own plan.

    Attributes:
        cell: the cell of the runs.
        cohort: trial and seed of each run of the cohort.
        shard: positions in `cohort` of the runs of the shard.
        runs: positions in `cohort` of the runs that the work is for.
    """

    cell: CellIndex
    cohort: Sequence[tuple[Trial, int | Seeds]]
    shard: Sequence[int]
    runs: Sequence[int]

    @classmethod
    def of(cls, work: ShardWork) -> "ShardRef":
        """The reference to a shard of this process."""
        cohort = work.shard.cohort
        ids = [run.id for run in cohort]
        return cls(
            cell=cell_index(cohort[0].cell),
            cohort=[(dict(run.trial), run.seed) for run in cohort],
            shard=[ids.index(run.id) for run in work.shard.runs],
            runs=[ids.index(run.id) for run in work.runs],
        )

    def find(self, plan: Mapping[CellIndex, CellPlan]) -> ShardWork:
        """The shard and its runs in the plan of another process."""
        cell = plan[self.cell]
        cohort = tuple(Run(cell, trial, seed) for trial, seed in self.cohort)
        shard = Shard(cohort, tuple(cohort[i] for i in self.shard))
        return ShardWork(shard, [cohort[i] for i in self.runs])


@dataclass(frozen=True)
class WorkerInit:
    """The first message to a worker.

    Attributes:
        experiment: the experiment.
        folder: the results folder.
        jax_settings: settings of JAX, by name.
        lock_folder: the folder by whose locks workers compile each program once.
    """

    experiment: Experiment
    folder: Path
    jax_settings: Mapping[str, Any]
    lock_folder: Path


@dataclass(frozen=True)
class WorkerReady:
    """Sent when a worker can execute commands."""


@dataclass(frozen=True)
class TrainShard:
    """Asks a worker for `RunExecutor.train`."""

    ref: ShardRef


@dataclass(frozen=True)
class TestShard:
    """Asks a worker for `RunExecutor.test`."""

    ref: ShardRef


@dataclass(frozen=True)
class ProgressReport:
    """Progress of runs, sent while a worker executes a command."""

    progress: RunProgress


@dataclass(frozen=True)
class CommandDone:
    """Sent when a command has been executed."""


@dataclass(frozen=True)
class WorkerFailed:
    """The error that ends a worker; its last message."""

    error: Exception


Command = TrainShard | TestShard
Reply = WorkerReady | ProgressReport | CommandDone | WorkerFailed
