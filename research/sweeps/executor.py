"""Where shares are run: their records are written, and what they gave is kept until test."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from research.experiments.cohorts import Shard
from research.experiments.plan import CellPlan, Run
from research.experiments.seeds import Seeds
from research.records.store import RunStore
from research.records.weights import save_trained, wording_of
from research.runs.baseline import run_baseline
from research.runs.context import RunContext
from research.runs.result import Result, make_record, with_test_scores
from research.runs.train import run_share
from research.sweeps.progress import Report, reported

ShardWork = tuple[Shard, Sequence[Run]]  # a share, and the runs of it that are meant


class Executor(Protocol):
    """Who does a cell's work: this process, or others."""

    def train(self, tasks: Iterable[ShardWork], done: Callable[[Shard], None]) -> None:
        """`Desk.train` for each, in any order; `done` is called as each ends."""
        ...

    def test(self, tasks: Iterable[ShardWork]) -> None:
        """`Desk.test` for each, in any order."""
        ...

    def forget(self, cell: CellPlan) -> None:
        """The cell is at its end."""
        ...

    def close(self) -> None:
        """Nothing more is asked for, or the sweep ends early."""
        ...


class RunExecutor:
    """Runs shares with a context. report: is told lines on how far they are."""

    def __init__(self, context: RunContext, store: RunStore, report: Report):
        self.context, self.store, self.report = context, store, report
        self.results: dict[str, Result] = {}

    def train(self, share: Shard, runs: Sequence[Run]) -> None:
        """Runs the share and writes the records of `runs`."""
        self._run(share)
        for run in runs:
            found = make_record(run, self.results[run.id])
            self.context.metrics_log.finish(found)
            self.store.write(found)

    def test(self, share: Shard, runs: Sequence[Run]) -> None:
        """Scores test for `runs`.

        A share trained in an earlier session goes on from its last checkpoint.
        """
        if any(run.id not in self.results for run in runs):
            self._run(share)
        for run in runs:
            ordinary = not isinstance(run.seed, Seeds)
            kept = self.keep(run) if ordinary and run.cell.experiment.keep_trained else {}
            stored = {**self.store.read(run.id), **kept}
            found = with_test_scores(stored, run, self.results[run.id])
            self.context.metrics_log.finish(found[0])
            self.store.write(*found)

    def keep(self, run: Run) -> dict[str, str]:
        """Writes what a run trained, if it did; returns what its record says of the file."""
        trained = self.results[run.id].trained
        if not trained:
            return {}
        return {"trained": save_trained(self.store.folder, run.id, trained, wording_of(run))}

    def forget(self, cell: CellPlan) -> None:
        """Lets go of what the runs of a cell gave."""
        runs = {run.id for trial in cell.trials for run in cell.tested(trial)}
        for id in runs & self.results.keys():
            del self.results[id]

    def _run(self, share: Shard) -> None:
        runs = share.runs
        if runs[0].approach.baseline is not None:
            results = [run_baseline(run) for run in runs]
        else:
            results = run_share(share, self.context, lambda *at: self.report(reported(runs, *at)))
        self.results.update({run.id: result for run, result in zip(runs, results, strict=True)})
        for run in runs:
            if self.store.has(run.id):  # it was trained again, so its metrics were written again
                self.context.metrics_log.finish(self.store.read(run.id))


class LocalExecutor:
    """This process does it, in the thread that asks."""

    def __init__(self, executor: RunExecutor):
        self.executor = executor

    def train(self, tasks: Iterable[ShardWork], done: Callable[[Shard], None]) -> None:
        for share, runs in tasks:
            self.executor.train(share, runs)
            done(share)

    def test(self, tasks: Iterable[ShardWork]) -> None:
        for share, runs in tasks:
            self.executor.test(share, runs)

    def forget(self, cell: CellPlan) -> None:
        self.executor.forget(cell)

    def close(self) -> None:
        pass  # the threads that ask are stopped by what they report
