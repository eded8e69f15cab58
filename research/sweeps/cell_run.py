"""Brings one cell of the table to its end."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from research.sweeps.baseline_run import run_baseline
from research.sweeps.bench import Bench
from research.sweeps.ledger import Ledger
from research.sweeps.lineage import lineage_id
from research.sweeps.model_run import check_run, cohort_id, cohorts, run_cohort
from research.sweeps.plan import Cell, Run
from research.sweeps.progress import Progress
from research.sweeps.protocol import choose
from research.sweeps.result import Result, record, tested
from research.sweeps.trained import save_trained, wording_of


class CellRun:
    """Every trial runs with the search seeds, dev chooses, the chosen trial runs with all seeds,
    and these runs are scored on test, once. What the ledger holds is not done again.
    """

    def __init__(self, cell: Cell, bench: Bench, ledger: Ledger, progress: Progress):
        self.cell, self.bench, self.ledger, self.progress = cell, bench, ledger, progress
        self.results: dict[str, Result] = {}

    def finish(self) -> None:
        """Does what is missing, and clears up."""
        self.progress.start(self.cell)
        search = self.cell.search()
        self._train(search)
        final = self.cell.final(choose([self.ledger.read(run.id) for run in search]))
        later = [run for run in final if run not in search]
        self._train(later)
        self._test(search, final)
        self._test(later, final)
        self.clear()

    def clear(self) -> None:
        """Removes what a cell that is finished needs no more: its cohorts' checkpoints, and the
        stages from which no other cell starts.
        """
        search = self.cell.search()
        final = self.cell.final(choose([self.ledger.read(run.id) for run in search]))
        for group in (*cohorts(search), *cohorts([run for run in final if run not in search])):
            shutil.rmtree(self.bench.checkpoints / cohort_id(group), ignore_errors=True)
        self.bench.stages.release(self.stages)

    @cached_property
    def stages(self) -> frozenset[str]:
        """The ids of the stages that others of the cell follow, whichever trial is chosen."""
        followed = range(len(self.cell.approach.stages) - 1)
        runs = [run for trial in self.cell.trials for run in self.cell.final(trial)]
        return frozenset(lineage_id(run, index) for run in runs for index in followed)

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
                    check_run(run, self.bench)
                    checked.append(same)

    def is_done(self) -> bool:
        """Whether nothing of the cell is missing."""
        search = self.cell.search()
        if not all(self.ledger.has(run.id) for run in search):
            return False
        final = self.cell.final(choose([self.ledger.read(run.id) for run in search]))
        return all(self.ledger.has(run.id) and self._is_tested(run) for run in final)

    def _train(self, runs: Sequence[Run]) -> None:
        """Runs the cohorts of which a record is missing, and writes the missing records."""
        for group in cohorts(runs):
            missing = [run for run in group if not self.ledger.has(run.id)]
            if missing:
                self._run(group)
            for run in missing:
                self.ledger.write(record(run, self.results[run.id]))
            self.progress.finished(self.cell, len(group))

    def _test(self, runs: Sequence[Run], final: Sequence[Run]) -> None:
        """Scores test for those of `runs` that are final and lack it.

        A cohort trained in an earlier session goes on from its last checkpoint.
        """
        for group in cohorts(runs):
            untested = [run for run in group if run in final and not self._is_tested(run)]
            if any(run.id not in self.results for run in untested):
                self._run(group)
            for run in untested:
                result, kept = self.results[run.id], {}
                if self.cell.experiment.keep_trained and result.trained:
                    folder, wording = self.ledger.folder, wording_of(run)
                    kept["trained"] = save_trained(folder, run.id, result.trained, wording)
                self.ledger.write(*tested({**self.ledger.read(run.id), **kept}, run, result))

    def _run(self, group: Sequence[Run]) -> None:
        if self.cell.approach.baseline is not None:
            results = [run_baseline(run) for run in group]
        else:
            results = run_cohort(group, self.bench, self.progress.reporter(group))
        self.results |= {run.id: result for run, result in zip(group, results, strict=True)}

    def _is_tested(self, run: Run) -> bool:
        return self.ledger.read(run.id)["metrics"]["test"] is not None
