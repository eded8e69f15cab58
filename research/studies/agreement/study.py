"""Trains the tested runs of a results folder again with PyTorch and PEFT."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from research.common.errors import InputError, check_choice
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, Run
from research.records.predictions.labels import LabelPredictions
from research.records.store import RunStore
from research.records.trial_selection import choose
from research.runs.context import RunContext, open_context
from research.studies.agreement.comparison import CellComparison, RunPair
from research.studies.agreement.our_run import comparable_stage, write_run
from research.tasks.sampling import Regime

PEFT_RUN = "research.studies.agreement.peft_run"


@dataclass(frozen=True)
class AgreementStudy:
    """The tested runs of some cells, trained on both sides.

    Attributes:
        experiment: the experiment, with one backbone.
        results: its results folder, where the cells are complete.
        answers: folder of the answers of PyTorch's side, a file for each run; what is there is not
            trained again.
        approaches: names of the approaches.
        regimes: regimes; empty for all.
        report: called with a line before each run.
    """

    experiment: Experiment
    results: Path
    answers: Path
    approaches: Sequence[str]
    regimes: Sequence[str] = ()
    report: Callable[[str], None] = print

    def comparisons(self) -> Iterator[CellComparison]:
        """Each cell as soon as its runs are trained.

        Raises InputError for an approach or regime that the experiment lacks, for a cell that is
        not complete, and for a run that the plain loop does not follow.
        """
        regimes = [str(Regime.parse(regime)) for regime in self.experiment.regimes]
        for name in self.approaches:
            check_choice("approach", name, [row.name for row in self.experiment.rows])
        for regime in self.regimes:
            check_choice("regime", regime, regimes)
        with tempfile.TemporaryDirectory() as folder:
            context = open_context(self.experiment, Path(folder))
            tasks = {settings.name: settings.load() for settings in self.experiment.all_tasks}
            plan = [cell for cell in context.cells(self.experiment, tasks) if self._wanted(cell)]
            runs = [(cell, self._tested(cell)) for cell in plan]
            for cell, tested in runs:
                pairs = [self._pair(run, context) for run in tested]
                yield CellComparison(*cell.key, tuple(pairs))

    def _wanted(self, cell: CellPlan) -> bool:
        regimes = self.regimes or [str(cell.regime)]
        return cell.approach.name in self.approaches and str(cell.regime) in regimes

    def _tested(self, cell: CellPlan) -> list[Run]:
        """The runs of the chosen trial."""
        store, search = RunStore(self.results), cell.search()
        if not all(store.has(run.id) for run in search):
            raise InputError("results", str(self.results), f"the cell {cell} is not complete")
        runs = cell.final(choose([store.read(run.id) for run in search]))
        if not all(store.has(run.id) and store.read(run.id).tested for run in runs):
            raise InputError("results", str(self.results), f"the cell {cell} is not tested")
        comparable_stage(runs[0])
        return runs

    def _pair(self, run: Run, context: RunContext) -> RunPair:
        """The answers of both sides to the test examples."""
        file = self.answers / f"{run.id}.json"
        if not file.is_file():
            self.report(f"{run.cell}, seed {run.seed}")
            self._train(run, context, file)
        record, predictions = RunStore(self.results).load(run.id)
        assert isinstance(predictions, LabelPredictions)
        content = json.loads(file.read_text(encoding="utf-8"))
        return RunPair(
            gold=predictions.gold,
            ours=predictions.predicted,
            peft=np.array(content["predicted"]),
            our_step=record.notes.best_step[-1],
            peft_step=content["best_step"],
        )

    def _train(self, run: Run, context: RunContext, file: Path) -> None:
        """Trains the run with PyTorch in a process of its own, which needs no JAX."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as folder:
            write_run(Path(folder), run, context)
            subprocess.run([sys.executable, "-m", PEFT_RUN, folder, str(file)], check=True)
