"""Runs one cell of the results table to completion."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from research.experiments.approach import Trial
from research.experiments.cohorts import Shard, cohort_id, cohorts, shards, stage_id
from research.experiments.plan import CellPlan, Run
from research.records.store import RunStore
from research.records.test_access_log import TestAccessLog
from research.records.trial_selection import choose
from research.runs.context import RunContext
from research.runs.train import check_run
from research.sweeps.executor import Executor, ShardWork
from research.sweeps.progress import SweepProgress


def chosen_trial(cell: CellPlan, store: RunStore) -> Trial:
    """The trial with the best dev scores; all runs of the search have to be stored."""
    return choose([store.read(run.id) for run in cell.search()])


def is_done(cell: CellPlan, store: RunStore) -> bool:
    """Whether nothing of a cell is missing."""
    if not all(store.has(run.id) for run in cell.search()):
        return False
    tested = cell.tested(chosen_trial(cell, store))
    return all(store.has(run.id) and store.read(run.id).tested for run in tested)


def check_cell(cell: CellPlan, context: RunContext) -> None:
    """Raises InputError for whatever would stop one of the runs of a cell, for every trial."""
    checked, scored = [], cell.task.is_scored
    for trial in cell.trials:
        for run in cell.final(trial):
            # Learning rates and other values of a method leave the data alone, draws of
            # demonstrations always fit, and labels are scored by any normalisation.
            unchecked = {"draw": 0, **({"normalisation": "sum"} if scored else {})}
            methods = tuple(stage.methods for stage in run.approach.stages)
            same = (run.seed, replace(run.approach, **unchecked).prompt, methods)
            if same not in checked:
                check_run(run, context)
                checked.append(same)


class CellRun:
    """Runs one cell to completion, skipping what the store already holds.

    Every trial runs with the search seeds. The dev scores choose a trial. The chosen trial runs
    with the remaining seeds and the crossed seeds. All runs of the chosen trial are evaluated on
    test, once.
    """

    def __init__(
        self,
        cell: CellPlan,
        context: RunContext,
        store: RunStore,
        test_log: TestAccessLog,
        progress: SweepProgress,
    ):
        self.cell, self.context, self.progress = cell, context, progress
        self.counted = set[str]()  # ids of runs that progress has counted
        self.tests_counted = False
        self.store, self.test_log = store, test_log

    def finish(self, executor: Executor) -> None:
        """Executes the missing work, then removes the files that only this cell needed.

        Raises RunFailed for a run that fails; what has been stored until then is not done again.
        """
        self.progress.start(self.cell)
        self._train(self.cell.search(), executor)
        trial = chosen_trial(self.cell, self.store)
        tested = self.cell.tested(trial)
        rejected = [run.id for run in self.cell.search() if run not in tested]
        self.context.trained_leaves.remove(rejected)
        search, *later = self.cell.groups(trial)
        for runs in later:
            self._train(runs, executor)
        all_shards = [shard for runs in (search, *later) for shard in self._shards(runs)]
        self._test(all_shards, tested, executor)
        self.clear()

    def clear(self) -> None:
        """Removes the checkpoints and trained leaves of a finished cell, and the stages from which
        no other cell starts.
        """
        groups = self.cell.groups(chosen_trial(self.cell, self.store))
        for cohort in (cohort for runs in groups for cohort in cohorts(runs)):
            shutil.rmtree(self.context.checkpoints / cohort_id(cohort), ignore_errors=True)
        self.context.trained_leaves.remove(run.id for runs in groups for run in runs)
        self.context.stage_cache.release(self.stages)

    @cached_property
    def stages(self) -> frozenset[str]:
        """The ids of the stages that other stages of the cell start from, for every trial."""
        followed = range(len(self.cell.approach.stages) - 1)
        runs = [run for trial in self.cell.trials for run in self.cell.tested(trial)]
        return frozenset(stage_id(run, index) for run in runs for index in followed)

    def count_stored(self) -> None:
        """Counts the runs of a finished cell as done."""
        trial = chosen_trial(self.cell, self.store)
        for runs in self.cell.groups(trial):
            for shard in self._shards(runs):
                self._count(shard, now=False)
        self._count_tests(self.cell.tested(trial))

    def _train(self, runs: Sequence[Run], executor: Executor) -> None:
        """Trains the shards with missing records, and writes these records."""
        works = []
        for shard in self._shards(runs):
            missing = [run for run in shard.runs if not self.store.has(run.id)]
            if missing:
                works.append(ShardWork(shard, missing))
            else:
                self._count(shard, now=False)
        executor.train(works, self._count)

    def _test(self, all_shards: Sequence[Shard], tested: Sequence[Run], executor: Executor) -> None:
        """Evaluates those runs of `tested` on test that have no test scores yet."""
        works = []
        for shard in all_shards:
            runs = [run for run in shard.runs if run in tested and not self._is_tested(run)]
            if runs:
                works.append(ShardWork(shard, runs))
        self._count_tests([run for run in tested if self._is_tested(run)])
        if works:
            self.test_log.record(tested[0])  # before anything of test is seen
        executor.test(works)

    def _shards(self, runs: Sequence[Run]) -> list[Shard]:
        return shards(runs, self.context.devices.vmapped())

    def _count(self, shard: Shard, now: bool = True) -> None:
        """Counts the runs of a shard, unless an earlier attempt has."""
        new = [run.id for run in shard.runs if run.id not in self.counted]
        if new:
            self.counted.update(new)
            self.progress.trained(self.cell, [self.store.read(id) for id in new], now)

    def _count_tests(self, runs: Sequence[Run]) -> None:
        """Counts runs that were tested before, once."""
        if not self.tests_counted:
            self.progress.tested(self.cell, len(runs))
        self.tests_counted = True

    def _is_tested(self, run: Run) -> bool:
        return self.store.read(run.id).tested
