"""Estimates the seconds of planned runs, from stored records or from a count of FLOPs."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import jax

from research.experiments.approach import Approach
from research.experiments.plan import CellPlan
from research.runs.costs.parameter_counts import ParameterCounts
from research.sweeps.cell_work import scorings_of_dev
from research.sweeps.dry_run.machine import Machine
from research.sweeps.dry_run.run_flops import RunFlops
from research.sweeps.dry_run.sampled_rows import SampledRows
from research.sweeps.dry_run.sizes import Sizes

SCORING = 2.0  # rate of scoring relative to training: its batches are larger
GENERATING = 0.5  # rate of generation relative to training: a step has one token of each row

Key = tuple[str, str, str, tuple[tuple[int, int], ...]]  # see `key_of`


class RunSeconds(NamedTuple):
    """Seconds of one run.

    Attributes:
        training: all training steps.
        scoring: answers to dev, in training and after it, and to as many rows of train.
        test: answers to test.
    """

    training: float
    scoring: float
    test: float


class Pace(NamedTuple):
    """Seconds that runs took on this machine, divided by the estimated ones.

    Attributes:
        training: of training steps.
        answering: of answers to test.
    """

    training: float = 1.0
    answering: float = 1.0


@dataclass(frozen=True)
class TimeEstimate:
    """Estimates the seconds of a run.

    Attributes:
        flops: FLOPs of the runs.
        machine: the machine that executes the runs.
        max_dev: maximum number of dev examples.
        recorded: seconds of training a run of a cell, where records have them.
        pace: seconds that other runs took, divided by their estimate.
    """

    flops: RunFlops
    machine: Machine
    max_dev: int
    recorded: Mapping[Key, float] = field(default_factory=dict)
    pace: Pace = Pace()

    @property
    def rows(self) -> SampledRows:
        """The rows of the tasks."""
        return self.flops.rows

    def seconds(self, cell: CellPlan, approach: Approach, size: ParameterCounts) -> RunSeconds:
        """Seconds of one run without compilation and early stopping.

        Args:
            cell: the cell of the run.
            approach: the approach of the run.
            size: its parameters.
        """
        flops, rate = self.flops, self.machine.rate(self.flops.parameters)
        training = self.recorded.get(key_of(cell))
        if training is None:
            steps = flops.training(cell, approach, size) if approach.stages else 0.0
            training = self.pace.training * steps / rate
        fast = min(SCORING * rate, self.machine.flops)  # no faster than a large product
        row = flops.scoring(cell, approach, size, False) / fast
        again = flops.scoring(cell, approach, size, True) / fast
        text = flops.text(cell, approach) / (GENERATING * rate)
        text += flops.prompt(cell, approach) / fast if text else 0.0
        dev, scorings = self._dev_rows(cell), scorings_of_dev(approach)
        final = 2 if approach.stages else 1  # the others, while it trains, are by one text
        texts = scorings - final + final * approach.samples
        answering = self.pace.answering
        return RunSeconds(
            training=training,
            scoring=answering * dev * (row + (scorings - 1) * again + texts * text),
            test=answering * self.rows.test(cell.task.name) * (row + approach.samples * text),
        )

    def mean_seconds(
        self, cell: CellPlan, approaches: Sequence[Approach], sizes: Sizes
    ) -> RunSeconds:
        """Mean seconds of one run, over the trials of a cell.

        Args:
            cell: the cell.
            approaches: the approach with the values of each trial.
            sizes: parameter counts of approaches.
        """
        alike: dict[Hashable, list[Approach]] = defaultdict(list)
        for approach in approaches:
            alike[_work_of(approach)].append(approach)
        seconds = [
            (len(group), self.seconds(cell, group[0], sizes(cell, group[0])))
            for group in alike.values()
        ]
        return RunSeconds(
            *(
                sum(count * values[index] for count, values in seconds) / len(approaches)
                for index in range(len(RunSeconds._fields))
            )
        )

    def widths(self, cell: CellPlan, approach: Approach) -> frozenset[tuple[int, int]]:
        """(stage, padded tokens of a batch) of the steps, each a program of its own."""
        return frozenset(
            (index, width)
            for index in range(len(approach.stages))
            for width in self.rows.step_widths(cell, approach, index)
        )

    def _dev_rows(self, cell: CellPlan) -> float:
        return min(self.max_dev, self.rows.train(cell.task.name, cell.regime))


def _work_of(approach: Approach) -> Hashable:
    """All fields of an approach that seconds depend on."""
    shape = jax.tree.structure([stage.methods for stage in approach.stages])
    schedules = tuple((s.schedule, s.template, s.task, str(s.regime)) for s in approach.stages)
    demonstrations = approach.demonstrations, approach.choice, approach.ensemble
    answer = approach.answering, approach.target_end
    return shape, schedules, approach.template, approach.layout, demonstrations, answer


def key_of(cell: CellPlan) -> Key:
    """(approach, task, regime, (steps, batch size) of each stage): the key of recorded seconds."""
    schedules = (stage.schedule for stage in cell.approach.stages)
    work = tuple((schedule.steps, schedule.batch_size) for schedule in schedules)
    return cell.approach.name, cell.task.name, str(cell.regime), work
