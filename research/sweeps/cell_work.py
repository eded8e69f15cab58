"""The work of a cell: the number of its runs, and their rough seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

from research.evaluation.batch import bucket
from research.experiments.approach import Approach
from research.experiments.plan import CellPlan
from research.records.schema import CellKey
from research.runs.costs.flops import rough_flops
from research.sweeps.row_tokens import RowTokens
from research.tasks.sampling import Regime

# Rough, since the estimate of the time left corrects them by the seconds of finished runs.
RATE = 5e10  # FLOPs per second of a core with the small matrices of a small model
BASELINE = 0.05  # seconds of a run without the backbone, and of its evaluation on test


@dataclass(frozen=True)
class CellWork:
    """The work of a cell.

    Attributes:
        key: approach, task and regime.
        runs: number of runs.
        tests: number of runs that are evaluated on test.
        kind: "train", "prompt" or "baseline".
        shape: number of labels, and padded tokens of the longest row: tasks of the same shape share
            compiled programs.
        rough_seconds: rough seconds of a run, without compilation and test.
        rough_test_seconds: rough seconds of evaluating a run on test.
    """

    key: CellKey
    runs: int
    tests: int
    kind: str
    shape: tuple[int, int]
    rough_seconds: float
    rough_test_seconds: float = 0.0

    @property
    def all_rough_seconds(self) -> float:
        """Rough seconds of all runs and of their evaluations on test."""
        return self.runs * self.rough_seconds + self.tests * self.rough_test_seconds

    @property
    def approach(self) -> str:
        return self.key[0]

    @property
    def column(self) -> tuple[str, str]:
        """Task and regime."""
        return self.key[1:]


def cell_work(cell: CellPlan, parameters: int, rows: RowTokens) -> CellWork:
    """The work of a cell of a plan.

    Args:
        cell: the cell.
        parameters: number of parameters of the backbone.
        rows: tokens of the rows of its task.
    """
    approach, task = cell.approach, cell.task
    kind = "train" if approach.stages else "prompt" if approach.uses_backbone else "baseline"
    schedules = [stage.schedule for stage in approach.stages]
    trained = sum(schedule.steps * schedule.batch_size for schedule in schedules)
    dev = min(cell.experiment.max_dev, train_rows(cell.regime, task.labels, len(task.train)))
    scored = dev * scorings_of_dev(approach)
    tested = sum(map(len, task.tests.values()))

    def seconds(scored: int, trained: int) -> float:
        flops = rough_flops(parameters, int(rows.mean * scored), int(rows.mean * trained))
        return BASELINE if kind == "baseline" else flops / RATE

    return CellWork(
        key=cell.key,
        runs=cell.size,
        tests=len(cell.tested(cell.trials[0])),
        kind=kind,
        shape=(len(task.labels), bucket(rows.longest)),
        rough_seconds=seconds(scored, trained),
        rough_test_seconds=seconds(tested, 0),
    )


def train_rows(regime: Regime, labels: Sequence[str], most: int) -> int:
    """Number of training examples in a regime.

    Args:
        regime: the regime.
        labels: the labels of the task.
        most: number of all its training examples.
    """
    if regime.kind == "all":
        return most
    return regime.count * (max(1, len(labels)) if regime.kind == "shot" else 1)


def scorings_of_dev(approach: Approach) -> int:
    """How often a run scores as many rows as dev has: while it trains, then dev and train."""
    if not approach.stages:
        return 1
    schedules = [stage.schedule for stage in approach.stages]
    return 2 + sum(schedule.steps // schedule.eval_every for schedule in schedules)
