"""Parameter counts of the approaches of a plan, each computed once."""

from typing import Any

from research.experiments.approach import Approach
from research.experiments.plan import CellPlan
from research.methods.method import Leaves
from research.runs.costs.parameter_counts import ParameterCounts, parameter_counts


class Sizes:
    """Parameter counts of approaches on one backbone.

    Args:
        backbone: leaves of the backbone, or their shapes.
    """

    def __init__(self, backbone: Leaves):
        self.backbone = backbone
        self._counts: dict[Any, ParameterCounts] = {}

    def __call__(self, cell: CellPlan, approach: Approach) -> ParameterCounts:
        """The counts of a cell's approach with the values of a trial."""
        labels = stage_labels(cell, approach)
        # No learning rate and no schedule changes them.
        stages = tuple((stage.methods, stage.merge) for stage in approach.stages)
        key = stages, tuple(map(len, labels))
        if key not in self._counts:
            self._counts[key] = parameter_counts(approach, self.backbone, labels)
        return self._counts[key]


def stage_labels(cell: CellPlan, approach: Approach) -> list[tuple[str, ...]]:
    """The labels of the task of each stage, or its words if it has none."""
    tasks = map(cell.task_of, approach.stages)
    return [task.labels or task.words for task in tasks]
