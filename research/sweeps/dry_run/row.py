"""A row of a dry run: the planned runs of an approach, over all tasks and regimes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from research.experiments.approach import Trial
from research.experiments.cohorts import cohorts
from research.experiments.plan import CellPlan, Run
from research.runs.costs.parameter_counts import ParameterCounts
from research.sweeps.dry_run.compiled_programs import CompiledPrograms, layers_of
from research.sweeps.dry_run.encoding import EncodingSeconds
from research.sweeps.dry_run.requests import Requests
from research.sweeps.dry_run.sizes import Sizes
from research.sweeps.dry_run.time_estimate import TimeEstimate, key_of


@dataclass(frozen=True)
class DryRunRow:
    """An approach over all tasks and regimes.

    Attributes:
        approach: name of the approach.
        runs: number of runs.
        cohorts: number of cohorts.
        sizes: distinct parameter counts of its trials; empty without the backbone.
        training: seconds of training, all runs one after the other, without early stopping.
        scoring: seconds of answering train, dev and test, and of waiting for replies of a server.
        encoding: seconds of encoding rows in runs.
        checking: seconds of encoding rows in the checks before the first run.
        compiled: what is compiled.
        compiling: seconds of compiling its programs and patterns, except those of the rows before.
        recorded: number of runs whose seconds come from stored records.
        trials: the values that its trials set.
        requests: its requests to a server; None for a row that asks none.
    """

    approach: str
    runs: int
    cohorts: int
    sizes: tuple[ParameterCounts, ...]
    training: float
    scoring: float
    encoding: float
    checking: float
    compiled: CompiledPrograms
    compiling: float
    recorded: int
    trials: tuple[Trial, ...]
    requests: Requests | None = None

    @property
    def programs(self) -> set[Any]:
        """Training steps that are compiled separately."""
        return self.compiled.programs

    @property
    def generates(self) -> bool:
        """Whether the backbone answers with texts."""
        return self.compiled.generates

    @property
    def seconds(self) -> float:
        """Seconds of its runs, on one worker."""
        return self.training + self.scoring + self.encoding + self.compiling


def dry_run_row(
    cells: Sequence[CellPlan],
    sizes: Sizes,
    estimate: TimeEstimate,
    encoding: Sequence[EncodingSeconds],
    requests: Requests | None,
    before: Sequence[DryRunRow],
) -> DryRunRow:
    """The row of an approach.

    Args:
        cells: its cells.
        sizes: parameter counts of approaches.
        estimate: estimates the seconds of its runs.
        encoding: seconds of encoding the rows of each cell.
        requests: its requests to a server, if it asks one.
        before: the rows before it, whose programs it uses.
    """
    counts: dict[int, ParameterCounts] = {}
    compiled = CompiledPrograms()
    groups, training = 0, 0.0
    scoring = 0.0 if requests is None else requests.seconds
    for cell in cells:
        first, *_ = cell.trials
        groups += sum(len(cohorts(group)) for group in cell.groups(first))
        if not cell.approach.uses_backbone:
            continue
        approaches = [Run(cell, trial, 0).approach for trial in cell.trials]
        of_trials = (sizes(cell, approach) for approach in approaches)
        counts |= {id(size): size for size in of_trials}
        of_run = estimate.mean_seconds(cell, approaches, sizes)
        training += cell.size * of_run.training
        scoring += cell.size * of_run.scoring + len(cell.tested(first)) * of_run.test
        compiled.add(cell, approaches, estimate)
    return DryRunRow(
        approach=cells[0].approach.name,
        runs=sum(cell.size for cell in cells),
        cohorts=groups,
        compiled=compiled,
        sizes=tuple(counts.values()),
        training=training,
        scoring=scoring,
        encoding=sum(seconds.runs for seconds in encoding),
        checking=sum(seconds.checks for seconds in encoding),
        compiling=compiled.seconds(
            estimate.machine, layers_of(sizes.backbone), [row.compiled for row in before]
        ),
        recorded=sum(cell.size for cell in cells if key_of(cell) in estimate.recorded),
        trials=tuple(trial for cell in cells for trial in cell.trials),
        requests=requests,
    )
