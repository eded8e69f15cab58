"""Seconds that the runs of a sweep are expected to take, from the runs that it has measured.

The seconds of a run without compilation are a product of an approach and a column (task, regime).
Compilation is counted apart, since most of it happens in the first cell of an approach. All are
seconds of one worker.
"""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from research.records.schema import CellKey
from research.sweeps.cell_work import CellWork
from research.sweeps.time_left.measured_cell import MeasuredCell

# Assumed until measured: medians of the committed sweeps' medians.
COMPILE = {"train": 11.0, "prompt": 7.0, "baseline": 0.0}  # seconds in an approach's first cell
OWN_PART = 0.25  # weight of a ratio of 1 beside that of each kind, for a kind without measured runs
FIRST_RUNS = 4  # of a cell with training: two for each of two workers
# Share of these seconds in a later cell of the approach. Tasks whose rows have the same labels and
# widths share programs in a regime; another regime has other batches. Demonstrations have other
# lengths in every cell.
LATER = {
    "train": {"same programs": 0.0, "same task": 0.4, "other programs": 0.5},
    "prompt": {"same programs": 0.2, "same task": 0.2, "other programs": 0.5},
    "baseline": {"same programs": 0.0, "same task": 0.0, "other programs": 0.0},
}


@dataclass(frozen=True)
class ExpectedSeconds:
    """Expected seconds of each cell, at one moment of a sweep.

    Attributes:
        cells: the cells in the order in which they run.
        measured: finished runs by cell.
    """

    cells: Sequence[CellWork]
    measured: Mapping[CellKey, MeasuredCell]

    def run(self, cell: CellWork) -> float:
        """Seconds of a run of a cell, without compilation.

        Measured in the cell; else its rough seconds, corrected by the ratios of its approach and
        its column in other cells. Of a kind of cells that has no measured run, the ratio is that of
        the other kinds.
        """
        if cell.key in self._ratios:
            return cell.rough_seconds * self._ratios[cell.key]
        approach = self._group_ratios["approach", cell.approach]
        kind = self._group_ratios["kind", cell.kind]
        ratios = approach or kind or [self._unmeasured_ratio(cell.kind)]
        column = self._column_factors[cell.column]
        return cell.rough_seconds * statistics.geometric_mean(ratios) * column

    def test(self, cell: CellWork) -> float:
        """Seconds of evaluating a run of a cell on test: its rough seconds, corrected by the mean
        ratio of its kind of cells, or by that of the other kinds.
        """
        ratios = self._test_ratios[cell.kind] or [self._unmeasured_ratio(cell.kind)]
        return cell.rough_test_seconds * statistics.fmean(ratios)

    def _unmeasured_ratio(self, kind: str) -> float:
        """The ratio of measured to rough seconds for a kind of cells without a measured one.

        That of the measured kinds, nearer to 1 the fewer these are: a part of their ratio is the
        speed of the machine, and the other part is their own.
        """
        logs = self._measured_logs
        return 1.0 if kind == "baseline" else math.exp(sum(logs) / (len(logs) + OWN_PART))

    def compiling(self, cell: CellWork) -> float:
        """Seconds of compilation that remain in a cell."""
        measured = self.measured.get(cell.key, MeasuredCell())
        missing = max(0.0, 1 - measured.runs / cell.runs)
        return missing * max(0.0, self._compile_seconds(cell) - measured.compile_seconds)

    @cached_property
    def _by_key(self) -> dict[CellKey, CellWork]:
        return {cell.key: cell for cell in self.cells}

    @cached_property
    def _ratios(self) -> dict[CellKey, float]:
        """Measured seconds of a run divided by the rough ones, by cell."""
        return {
            key: cell.mean / self._by_key[key].rough_seconds
            for key, cell in self.measured.items()
            if cell.timed and cell.mean > 0 and key in self._by_key
        }

    @cached_property
    def _column_factors(self) -> dict[tuple[str, str], float]:
        """Ratios of a column divided by those of the first column, over the approaches that were
        trained in both.
        """
        ratios = self._ratios
        factors: dict[tuple[str, str], float] = {}
        for column in dict.fromkeys(cell.column for cell in self.cells):
            logs = [
                math.log(ratios[cell.key] * factors[other] / ratios[cell.approach, *other])
                for cell in self.cells
                if cell.column == column and cell.kind == "train" and cell.key in ratios
                for other in factors
                if (cell.approach, *other) in ratios
            ]
            factors[column] = math.exp(statistics.fmean(logs)) if logs else 1.0
        return factors

    @cached_property
    def _group_ratios(self) -> dict[tuple[str, str], list[float]]:
        """Ratios of each approach and of each kind of cells, corrected for their columns."""
        ratios: dict[tuple[str, str], list[float]] = defaultdict(list)
        for key, ratio in self._ratios.items():
            cell = self._by_key[key]
            for group in (("approach", cell.approach), ("kind", cell.kind)):
                ratios[group].append(ratio / self._column_factors[cell.column])
        return ratios

    @cached_property
    def _test_ratios(self) -> dict[str, list[float]]:
        """Measured seconds on test divided by the rough ones, by kind of cells."""
        ratios: dict[str, list[float]] = defaultdict(list)
        for key, measured in self.measured.items():
            if measured.timed_tests and key in self._by_key:
                cell = self._by_key[key]
                mean = measured.test_seconds / measured.timed_tests
                if mean > 0 and cell.rough_test_seconds > 0:
                    ratios[cell.kind].append(mean / cell.rough_test_seconds)
        return ratios

    @cached_property
    def _measured_logs(self) -> list[float]:
        """Logarithm of the mean ratio of prompts and of training, where they are measured.

        Of prompts those on test, if there are any: many of their runs take no time, since others
        have scored the same rows of dev.
        """
        prompts = self._test_ratios["prompt"] or self._group_ratios["kind", "prompt"]
        kinds = (prompts, self._group_ratios["kind", "train"])
        return [math.log(statistics.fmean(ratios)) for ratios in kinds if ratios]

    @cached_property
    def _first_cells(self) -> dict[str, CellWork]:
        """The first cell of each approach."""
        return {cell.approach: cell for cell in reversed(self.cells)}

    @cached_property
    def _compiled(self) -> dict[CellKey, float]:
        """Seconds of compilation of the cells that compile nothing any more, as far as is known."""
        return {
            key: cell.compile_seconds
            for key, cell in self.measured.items()
            if key in self._by_key and cell.timed and cell.runs >= self._compiling_runs(key)
        }

    def _compiling_runs(self, key: CellKey) -> int:
        """Number of runs of a cell that compile: those with training do so in the first ones of
        each worker, prompts in any, since their demonstrations have different lengths.
        """
        runs = self._by_key[key].runs
        return min(runs, FIRST_RUNS) if self._by_key[key].kind == "train" else runs

    def _compile_seconds(self, cell: CellWork) -> float:
        """Expected seconds of compilation of a whole cell."""
        first, compiled = self._first_cells[cell.approach], self._compiled
        firsts = [
            compiled[other.key]
            for other in self._first_cells.values()
            if other.kind == cell.kind and other.key in compiled
        ]
        assumed = COMPILE[cell.kind] * self._compile_ratio
        in_first = compiled.get(first.key, statistics.fmean([*firsts, assumed]))
        if cell is first:
            return in_first
        relation = self._relations[cell.key]
        pairs = [(LATER[cell.kind][relation], 1.0), *self._later_pairs[cell.kind, relation]]
        share = sum(later for later, _ in pairs) / sum(begin for _, begin in pairs)
        return share * in_first

    @cached_property
    def _relations(self) -> dict[CellKey, str]:
        """Whether each cell has the programs or the task of an earlier cell of its approach."""
        relations: dict[CellKey, str] = {}
        tasks, programs = set[tuple[str, str]](), set[tuple]()
        for cell in self.cells:
            task, regime = cell.column
            if (cell.approach, regime, cell.shape) in programs:
                relations[cell.key] = "same programs"
            else:
                is_same = (cell.approach, task) in tasks
                relations[cell.key] = "same task" if is_same else "other programs"
            tasks.add((cell.approach, task))
            programs.add((cell.approach, regime, cell.shape))
        return relations

    @cached_property
    def _compile_ratio(self) -> float:
        """Measured seconds of compilation divided by the assumed ones, over the approaches whose
        first cell is finished: how fast this machine compiles.
        """
        finished = [cell for cell in self._first_cells.values() if cell.key in self._compiled]
        assumed = sum(COMPILE[cell.kind] for cell in finished)
        return sum(self._compiled[cell.key] for cell in finished) / assumed if assumed else 1.0

    @cached_property
    def _later_pairs(self) -> dict[tuple[str, str], list[tuple[float, float]]]:
        """(seconds of compilation in a later cell, in the first cell of its approach), by kind and
        relation of the two.
        """
        pairs: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
        for cell in self.cells:
            first = self._first_cells[cell.approach]
            if cell is not first and cell.key in self._compiled and first.key in self._compiled:
                pair = self._compiled[cell.key], self._compiled[first.key]
                pairs[cell.kind, self._relations[cell.key]].append(pair)
        return pairs
