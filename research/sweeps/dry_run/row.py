"""A row of a dry run: the planned runs of an approach, over all tasks and regimes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from research.experiments.approach import Approach, Trial
from research.experiments.cohorts import cohorts
from research.experiments.plan import CellPlan
from research.methods.method import Leaves
from research.runs.costs.parameter_counts import ParameterCounts
from research.sweeps.dry_run.sizes import Sizes, stage_labels
from research.sweeps.dry_run.time_estimate import TimeEstimate, key_of


@dataclass(frozen=True)
class DryRunRow:
    """An approach over all tasks and regimes.

    Attributes:
        approach: name of the approach.
        runs: number of runs.
        cohorts: number of cohorts.
        programs: training steps that are compiled separately.
        sizes: distinct parameter counts of its trials; empty without the backbone.
        training: seconds of training, all runs one after the other, without early stopping.
        scoring: seconds of scoring train, dev and test.
        widths: programs with the widths of their rows, each of which is compiled.
        compiling: seconds of compiling its programs, except those of the rows before.
        recorded: number of runs whose seconds come from stored records.
        trials: the values that its trials set.
    """

    approach: str
    runs: int
    cohorts: int
    programs: frozenset[Any]
    sizes: tuple[ParameterCounts, ...]
    training: float
    scoring: float
    widths: frozenset[Any]
    compiling: float
    recorded: int
    trials: tuple[Trial, ...]

    @property
    def seconds(self) -> float:
        """All seconds of the row, on one worker."""
        return self.training + self.scoring + self.compiling


def dry_run_row(
    cells: Sequence[CellPlan], sizes: Sizes, estimate: TimeEstimate, before: Sequence[DryRunRow]
) -> DryRunRow:
    """The row of an approach.

    Args:
        cells: its cells.
        sizes: parameter counts of approaches.
        estimate: estimates the seconds of its runs.
        before: the rows before it, whose programs it uses.
    """
    name = cells[0].approach.name
    programs: set[Any] = set()
    counts: dict[int, ParameterCounts] = {}
    groups, training, scoring = 0, 0.0, 0.0
    widths: set[Any] = set()
    for cell in cells:
        first, *_ = cell.trials
        groups += sum(len(cohorts(group)) for group in cell.groups(first))
        if not cell.approach.uses_backbone:
            continue
        for approach in map(cell.approach.at, cell.trials):
            programs |= set(_programs(cell, approach))
            size = sizes(cell, approach)
            counts[id(size)] = size
        approach = cell.approach.at(first)
        size = sizes(cell, approach)
        of_run = estimate.seconds(cell, approach, size)
        training += cell.size * of_run.training
        scoring += cell.size * of_run.scoring + len(cell.tested(first)) * of_run.test
        stages = _programs(cell, approach)
        widths |= {(stages[index], width) for index, width in estimate.widths(cell, approach)}
        if not stages:  # the prompt alone is compiled, for each task
            widths.add((name, cell.task.name))
    new_programs = programs.difference(*(row.programs for row in before))
    new_widths = widths.difference(*(row.widths for row in before))
    compiling = estimate.machine.compile_seconds(
        _layers(sizes.backbone), len(new_programs), len(new_widths)
    )
    return DryRunRow(
        approach=name,
        runs=sum(cell.size for cell in cells),
        cohorts=groups,
        programs=frozenset(programs),
        sizes=tuple(counts.values()),
        training=training,
        scoring=scoring,
        widths=frozenset(widths),
        compiling=compiling,
        recorded=sum(cell.size for cell in cells if key_of(cell) in estimate.recorded),
        trials=tuple(trial for cell in cells for trial in cell.trials),
    )


def _layers(leaves: Leaves) -> int:
    """Number of layers of a backbone, of encoder and decoder together."""
    return len({path.split("/attention")[0] for path in leaves if "/attention" in path})


def _programs(cell: CellPlan, approach: Approach) -> list[Any]:
    """Key of the compiled step of each stage, without the widths of rows."""
    programs = []
    for index, (stage, labels) in enumerate(
        zip(approach.stages, stage_labels(cell, approach), strict=True)
    ):
        methods = approach.in_training(index, approach.at_work(index))
        classes = len(labels) if any(method.is_head for method in methods) else 0
        programs.append((jax.tree.structure(methods), len(stage.methods), stage.schedule, classes))
    return programs
