"""Executes shards of runs: trains them, writes their records and evaluates them on test."""

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Protocol

from research.experiments.cohorts import Shard
from research.experiments.plan import Run
from research.experiments.seeds import Seeds
from research.records.store import RunStore
from research.records.weights import save_trained, unserved
from research.runs.context import RunContext
from research.runs.result import Result, TestResult, make_record, with_test_result
from research.runs.scoring_progress import ScoringReport, report_of_run
from research.runs.state import RunState
from research.runs.train import checkpoint_folder, needs_training, run_shard, run_test_result
from research.runs.without_backbone import evaluate_without_backbone, run_without_backbone
from research.runtime.clock import seconds_by_purpose, seconds_since
from research.sweeps.failures import failing
from research.sweeps.run_progress import ExecutionProgress, Report, ShardProgress


@dataclass(frozen=True)
class ShardWork:
    """A shard and the runs of it that the work is for.

    Attributes:
        shard: runs that train together.
        runs: those of them whose records are to be written, or that are to be tested.
    """

    shard: Shard
    runs: Sequence[Run]


class Executor(Protocol):
    """Executes the work of cells, in this process or in others."""

    def train(self, works: Iterable[ShardWork], done: Callable[[Shard], None]) -> None:
        """`RunExecutor.train` for each, in any order; calls `done` as each ends.

        Raises RunFailed for the first that fails; those that have not begun are left out then.
        """
        ...

    def test(self, works: Iterable[ShardWork]) -> None:
        """`RunExecutor.test` for each, in any order. Raises RunFailed as `train` does."""
        ...

    def close(self) -> None:
        """Ends the execution, when all work is done or the sweep stops early."""
        ...


class RunExecutor:
    """Executes one shard at a time and writes the records; keeps nothing in memory between shards.

    Args:
        context: resources of the runs.
        store: the store that records are written to.
        report: takes the progress of runs.
    """

    def __init__(self, context: RunContext, store: RunStore, report: Report):
        self.context, self.store, self.report = context, store, report

    def train(self, work: ShardWork) -> None:
        """Trains the shard and writes the records of `work.runs`."""
        results = self._run(work.shard, ShardProgress(work.shard.runs, self.report))
        for run in work.runs:
            record = make_record(run, results[run.id])
            self.context.metrics_log.finish(record)
            self.store.write(record)
        self._remove_checkpoints(work.shard)

    def test(self, work: ShardWork) -> None:
        """Evaluates `work.runs` on test and completes their records.

        The shard is trained again where the trained leaves of one of them are missing.
        """
        progress = ShardProgress(work.runs, self.report)
        if any(needs_training(run, self.context) for run in work.runs):
            self._run(work.shard, progress)
            self._remove_checkpoints(work.shard)
            progress.begin_scoring()
        for index, run in enumerate(work.runs):
            begin, ordinary = seconds_by_purpose(), not isinstance(run.seed, Seeds)
            record = self.store.read(run.id)
            if ordinary and run.cell.experiment.keep_trained:
                record = replace(record, trained=self.keep(run))
            report = report_of_run(progress.scoring, index, len(work.runs))
            test = self._test_result(run, report)
            record = with_test_result(record, run, test, seconds_since(begin))
            self.context.metrics_log.finish(record)
            self.store.write(record, test.predictions)

    def keep(self, run: Run) -> str | None:
        """Writes the trained leaves of a run for export; returns the sha256 of the file."""
        if not run.approach.stages:
            return None
        state = RunState.trained(run, self.context)
        row_format = unserved(run) or state.data.row_format
        return save_trained(self.store.folder, run.id, state.changed, row_format)

    def _run(self, shard: Shard, progress: ShardProgress) -> dict[str, Result]:
        """Results by run id."""
        runs = shard.runs
        if not runs[0].approach.uses_backbone:
            scoring = progress.scoring
            results = [run_without_backbone(run, self.context.folder, scoring) for run in runs]
        else:
            results = run_shard(shard, self.context, progress)
        for run in runs:
            if self.store.has(run.id):  # training again has written its metrics again
                self.context.metrics_log.finish(self.store.read(run.id))
        return {run.id: result for run, result in zip(runs, results, strict=True)}

    def _test_result(self, run: Run, report: ScoringReport) -> TestResult:
        if not run.approach.uses_backbone:
            return evaluate_without_backbone(run, self.context.folder, report)
        return run_test_result(run, self.context, report)

    def _remove_checkpoints(self, shard: Shard) -> None:
        """Checkpoints are for runs in training; a finished run has its trained leaves."""
        shutil.rmtree(checkpoint_folder(shard, self.context), ignore_errors=True)


class LocalExecutor:
    """Executes all work in this process, in the thread that asks."""

    def __init__(self, executor: RunExecutor, progress: ExecutionProgress):
        self.executor, self.progress = executor, progress

    def train(self, works: Iterable[ShardWork], done: Callable[[Shard], None]) -> None:
        for work in works:
            with executing(self.progress, work.shard.runs, on_test=False), failing(work.runs):
                self.executor.train(work)
            done(work.shard)

    def test(self, works: Iterable[ShardWork]) -> None:
        for work in works:
            with executing(self.progress, work.runs, on_test=True), failing(work.runs):
                self.executor.test(work)

    def close(self) -> None:
        pass  # progress reports stop the threads


@contextmanager
def executing(progress: ExecutionProgress, runs: Sequence[Run], on_test: bool) -> Iterator[None]:
    """Tells `progress` that runs begin and end."""
    progress.begin(runs, on_test)
    failed = True
    try:
        yield
        failed = False
    finally:
        progress.end(runs, on_test, failed)
