"""The work of a cell: the number of its runs, and their rough seconds."""

from dataclasses import dataclass

from research.evaluation.batch import bucket
from research.experiments.plan import CellPlan
from research.records.schema import CellKey
from research.runs.costs.flops import rough_flops
from research.sweeps.row_tokens import RowTokens

# Rough, since the estimate of the time left corrects them by the seconds of finished runs.
RATE = 5e10  # FLOPs per second of a core with the small matrices of a small model
SCORED_ROWS = 500  # scored rows of a run
BASELINE = 0.05  # seconds of a run without the backbone


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
        rough_seconds: rough seconds of a run, without compilation.
    """

    key: CellKey
    runs: int
    tests: int
    kind: str
    shape: tuple[int, int]
    rough_seconds: float

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
    approach = cell.approach
    kind = "train" if approach.stages else "prompt" if approach.uses_backbone else "baseline"
    schedules = [stage.schedule for stage in approach.stages]
    trained = sum(schedule.steps * schedule.batch_size for schedule in schedules)
    flops = rough_flops(parameters, int(rows.mean * SCORED_ROWS), int(rows.mean * trained))
    return CellWork(
        key=cell.key,
        runs=cell.size,
        tests=len(cell.tested(cell.trials[0])),
        kind=kind,
        shape=(len(cell.task.labels), bucket(rows.longest)),
        rough_seconds=BASELINE if kind == "baseline" else flops / RATE,
    )
