"""Brings one cell of the table to its end."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from research.experiments.approach import Trial
from research.experiments.cohorts import Shard, cohort_id, cohorts, shards, stage_id
from research.experiments.plan import CellPlan, Run
from research.records.store import RunStore
from research.records.test_access import TestAccessLog
from research.records.trial_selection import choose
from research.runs.context import RunContext
from research.runs.train import check_run
from research.sweeps.executor import Executor
from research.sweeps.progress import SweepProgress


class CellRun:
    """Every trial runs with the search seeds, dev chooses, the chosen trial runs with all seeds,
    the crossed ones among them, and these runs are scored on test, once. What the store holds is
    not done again.
    """

    def __init__(
        self,
        cell: CellPlan,
        context: RunContext,
        store: RunStore,
        looks: TestAccessLog,
        progress: SweepProgress,
    ):
        self.cell, self.context, self.progress = cell, context, progress
        self.store, self.looks = store, looks

    def finish(self, executor: Executor) -> None:
        """Has done what is missing; then the cohorts' checkpoints are no longer needed."""
        self.progress.start(self.cell)
        self._train(self.cell.search(), executor)
        trial = self._chosen()
        search, *later = self.cell.groups(trial)
        for runs in later:
            self._train(runs, executor)
        found = [share for runs in (search, *later) for share in self._shares(runs)]
        self._test(found, self.cell.tested(trial), executor)
        executor.forget(self.cell)
        self.clear()

    def clear(self) -> None:
        """Removes what a cell that is finished needs no more: its cohorts' checkpoints, and the
        stages from which no other cell starts.
        """
        groups = self.cell.groups(self._chosen())
        for group in (cohort for runs in groups for cohort in cohorts(runs)):
            shutil.rmtree(self.context.checkpoints / cohort_id(group), ignore_errors=True)
        self.context.stage_cache.release(self.stages)

    @cached_property
    def stages(self) -> frozenset[str]:
        """The ids of the stages that others of the cell follow, whichever trial is chosen."""
        followed = range(len(self.cell.approach.stages) - 1)
        runs = [run for trial in self.cell.trials for run in self.cell.tested(trial)]
        return frozenset(stage_id(run, index) for run in runs for index in followed)

    def check(self) -> None:
        """Raises InputError for whatever would stop one of the runs, whichever trial is chosen."""
        checked = []
        for trial in self.cell.trials:
            for run in self.cell.final(trial):
                # Learning rates, and whatever else is of one method only, see the same data; and
                # demonstrations are drawn so that they fit.
                methods = tuple(stage.methods for stage in run.approach.stages)
                same = (run.seed, replace(run.approach, draw=0).prompt, methods)
                if same not in checked:
                    check_run(run, self.context)
                    checked.append(same)

    def is_done(self) -> bool:
        """Whether nothing of the cell is missing."""
        if not all(self.store.has(run.id) for run in self.cell.search()):
            return False
        final = self.cell.tested(self._chosen())
        return all(self.store.has(run.id) and self._is_tested(run) for run in final)

    def _chosen(self) -> Trial:
        """The trial that dev chooses, once all runs of the search are stored."""
        return choose([self.store.read(run.id) for run in self.cell.search()])

    def _train(self, runs: Sequence[Run], executor: Executor) -> None:
        """Has the shares run of which a record is missing, and the missing records written."""
        tasks = []
        for share in self._shares(runs):
            missing = [run for run in share.runs if not self.store.has(run.id)]
            if missing:
                tasks.append((share, missing))
            else:
                self._count(share)
        executor.train(tasks, self._count)

    def _test(self, found: Sequence[Shard], final: Sequence[Run], executor: Executor) -> None:
        """Has test scored for those of the shares' runs that are final and lack it."""
        tasks = []
        for share in found:
            untested = [run for run in share.runs if run in final and not self._is_tested(run)]
            if untested:
                tasks.append((share, untested))
        if tasks:
            self.looks.record(final[0])  # before anything of test is seen
        executor.test(tasks)

    def _shares(self, runs: Sequence[Run]) -> list[Shard]:
        return shards(runs, self.context.devices.vmapped())

    def _count(self, share: Shard) -> None:
        self.progress.finished(self.cell, len(share.runs))

    def _is_tested(self, run: Run) -> bool:
        return self.store.read(run.id)["metrics"]["test"] is not None
