"""Where shares are run: their records are written, and what they gave is kept until test."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from research.experiments.cohorts import Share
from research.experiments.plan import Cell, Run
from research.experiments.seeds import Seeds
from research.records.store import Ledger
from research.records.weights import save_trained, wording_of
from research.runs.baseline import run_baseline
from research.runs.context import Bench
from research.runs.result import Result, record, tested
from research.runs.train import run_share
from research.sweeps.progress import Report, reported

Task = tuple[Share, Sequence[Run]]  # a share, and the runs of it that are meant


class Hands(Protocol):
    """Who does a cell's work: this process, or others."""

    def train(self, tasks: Iterable[Task], done: Callable[[Share], None]) -> None:
        """`Desk.train` for each, in any order; `done` is called as each ends."""
        ...

    def test(self, tasks: Iterable[Task]) -> None:
        """`Desk.test` for each, in any order."""
        ...

    def forget(self, cell: Cell) -> None:
        """The cell is at its end."""
        ...

    def close(self) -> None:
        """Nothing more is asked for, or the sweep ends early."""
        ...


class Desk:
    """Runs shares with a bench. report: is told lines on how far they are."""

    def __init__(self, bench: Bench, ledger: Ledger, report: Report):
        self.bench, self.ledger, self.report = bench, ledger, report
        self.results: dict[str, Result] = {}

    def train(self, share: Share, runs: Sequence[Run]) -> None:
        """Runs the share and writes the records of `runs`."""
        self._run(share)
        for run in runs:
            found = record(run, self.results[run.id])
            self.bench.tracker.finish(found)
            self.ledger.write(found)

    def test(self, share: Share, runs: Sequence[Run]) -> None:
        """Scores test for `runs`.

        A share trained in an earlier session goes on from its last checkpoint.
        """
        if any(run.id not in self.results for run in runs):
            self._run(share)
        for run in runs:
            ordinary = not isinstance(run.seed, Seeds)
            kept = self.keep(run) if ordinary and run.cell.experiment.keep_trained else {}
            stored = {**self.ledger.read(run.id), **kept}
            found = tested(stored, run, self.results[run.id])
            self.bench.tracker.finish(found[0])
            self.ledger.write(*found)

    def keep(self, run: Run) -> dict[str, str]:
        """Writes what a run trained, if it did; returns what its record says of the file."""
        trained = self.results[run.id].trained
        if not trained:
            return {}
        return {"trained": save_trained(self.ledger.folder, run.id, trained, wording_of(run))}

    def forget(self, cell: Cell) -> None:
        """Lets go of what the runs of a cell gave."""
        runs = {run.id for trial in cell.trials for run in cell.tested(trial)}
        for id in runs & self.results.keys():
            del self.results[id]

    def _run(self, share: Share) -> None:
        runs = share.runs
        if runs[0].approach.baseline is not None:
            results = [run_baseline(run) for run in runs]
        else:
            results = run_share(share, self.bench, lambda *at: self.report(reported(runs, *at)))
        self.results.update({run.id: result for run, result in zip(runs, results, strict=True)})
        for run in runs:
            if self.ledger.has(run.id):  # it was trained again, so its metrics were written again
                self.bench.tracker.finish(self.ledger.read(run.id))


class OwnHands:
    """This process does it, in the thread that asks."""

    def __init__(self, desk: Desk):
        self.desk = desk

    def train(self, tasks: Iterable[Task], done: Callable[[Share], None]) -> None:
        for share, runs in tasks:
            self.desk.train(share, runs)
            done(share)

    def test(self, tasks: Iterable[Task]) -> None:
        for share, runs in tasks:
            self.desk.test(share, runs)

    def forget(self, cell: Cell) -> None:
        self.desk.forget(cell)

    def close(self) -> None:
        pass  # the threads that ask are stopped by what they report
