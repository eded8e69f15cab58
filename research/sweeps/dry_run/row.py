"""A row of a dry run: the planned runs of an approach, over all tasks and regimes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax

from research.experiments.approach import Approach, Trial
from research.experiments.cohorts import cohorts
from research.experiments.plan import CellPlan
from research.experiments.stage_sequence import methods_after, methods_during
from research.methods.method import Leaves
from research.runs.costs.parameter_counts import ParameterCounts
from research.sweeps.dry_run.encoding import EncodingSeconds
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
        encoding: seconds of encoding rows in runs.
        checking: seconds of encoding rows in the checks before the first run.
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
    encoding: float
    checking: float
    widths: frozenset[Any]
    compiling: float
    recorded: int
    trials: tuple[Trial, ...]

    @property
    def seconds(self) -> float:
        """Seconds of its runs, on one worker."""
        return self.training + self.scoring + self.encoding + self.compiling


def dry_run_row(
    cells: Sequence[CellPlan],
    sizes: Sizes,
    estimate: TimeEstimate,
    encoding: Sequence[EncodingSeconds],
    before: Sequence[DryRunRow],
) -> DryRunRow:
    """The row of an approach.

    Args:
        cells: its cells.
        sizes: parameter counts of approaches.
        estimate: estimates the seconds of its runs.
        encoding: seconds of encoding the rows of each cell.
        before: the rows before it, whose programs it uses.
    """
    name = cells[0].approach.name
    programs: set[Any] = set()
    counts: dict[int, ParameterCounts] = {}
    groups, training, scoring = 0, 0.0, 0.0
    widths: set[Any] = set()
    prompts: set[Any] = set()
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
        if not stages:
            prompts |= _prompts(cell, estimate)
    new_programs = programs.difference(*(row.programs for row in before))
    new_widths = widths.difference(*(row.widths for row in before))
    compiling = estimate.machine.compile_seconds(
        _layers(sizes.backbone), len(new_programs), len(new_widths), len(prompts)
    )
    return DryRunRow(
        approach=name,
        runs=sum(cell.size for cell in cells),
        cohorts=groups,
        programs=frozenset(programs),
        sizes=tuple(counts.values()),
        training=training,
        scoring=scoring,
        encoding=sum(seconds.runs for seconds in encoding),
        checking=sum(seconds.checks for seconds in encoding),
        widths=frozenset(widths),
        compiling=compiling,
        recorded=sum(cell.size for cell in cells if key_of(cell) in estimate.recorded),
        trials=tuple(trial for cell in cells for trial in cell.trials),
    )


def _prompts(cell: CellPlan, estimate: TimeEstimate) -> set[Any]:
    """Keys of the compiled programs of a prompt. Tasks whose rows are alike share them."""
    rows, labels = estimate.rows, len(cell.task.labels)
    approaches = map(cell.approach.at, cell.trials)
    return {
        (labels, rows.prompt_width(cell.task.name), approach.target_end) for approach in approaches
    }


def _layers(leaves: Leaves) -> int:
    """Number of layers of a backbone, of encoder and decoder together."""
    return len({path.split("/attention")[0] for path in leaves if "/attention" in path})


def _programs(cell: CellPlan, approach: Approach) -> list[Any]:
    """Key of the compiled step of each stage, without the widths of rows."""
    programs = []
    for index, (stage, labels) in enumerate(
        zip(approach.stages, stage_labels(cell, approach), strict=True)
    ):
        methods = methods_during(stage, methods_after(approach.stages[:index]))
        classes = len(labels) if any(method.is_head for method in methods) else 0
        programs.append((jax.tree.structure(methods), len(stage.methods), stage.schedule, classes))
    return programs
