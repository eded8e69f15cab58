"""The part of a sweep with one backbone: its cells, their work, and the cells that it refuses."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from research.common.errors import InputError, StorageError
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.records.store import RunStore
from research.runs.context import RunContext
from research.sweeps.cell_runner import check_cell, is_done
from research.sweeps.cell_work import CellWork
from research.sweeps.dry_run.estimated_work import estimated_work
from research.sweeps.failures import reason_of
from research.tasks.task import Task

SharedCell = tuple[str, str, str]  # approach, task and regime, the same for all backbones


@dataclass(frozen=True)
class SweepPart:
    """The part of a sweep with one backbone.

    Attributes:
        experiment: the part of the experiment.
        checksum: checksum of the backbone.
        done: the cells of which nothing is missing.
        missing: the other cells.
        work: the work of all cells, in the order of the plan.
        refused: cells that are not run since the backbone cannot do them, with the reasons.
    """

    experiment: Experiment
    checksum: str
    done: tuple[CellPlan, ...]
    missing: tuple[CellPlan, ...]
    work: tuple[CellWork, ...]
    refused: tuple[tuple[CellPlan, str], ...] = ()

    @property
    def accepted(self) -> set[SharedCell]:
        """What the backbone can do."""
        return {shared_cell(cell) for cell in (*self.done, *self.missing)}

    @property
    def missing_work(self) -> list[CellWork]:
        """The work of the missing cells."""
        missing = {cell.key for cell in self.missing}
        return [work for work in self.work if work.key in missing]

    def checked(
        self, context: RunContext, others: Collection[SharedCell] | None = None
    ) -> "SweepPart":
        """The part without the missing cells that the backbone refuses.

        Args:
            context: the context of the backbone.
            others: what other backbones can do; None if this is not known yet.

        Raises InputError for a cell that no backbone can do.
        """
        refused: list[tuple[CellPlan, str]] = []
        for cell in self.missing:
            try:
                check_cell(cell, context)
            except StorageError:
                raise
            except InputError as error:
                if others is not None and shared_cell(cell) not in others:
                    raise
                # Not the error, whose traceback holds the backbone in memory.
                refused.append((cell, reason_of(error)))
        keys = {cell.key for cell, _ in refused}
        return replace(
            self,
            missing=tuple(cell for cell in self.missing if cell.key not in keys),
            refused=tuple(refused),
        )


def shared_cell(cell: CellPlan) -> SharedCell:
    """What a cell has in common with the cells of other backbones."""
    return cell.approach.name, cell.task.name, str(cell.regime)


def plan_part(
    experiment: Experiment, tasks: Mapping[str, Task], context: RunContext, store: RunStore
) -> SweepPart:
    """Plans the part of a sweep with one backbone.

    Args:
        experiment: the part of the experiment.
        tasks: the loaded tasks by name.
        context: the context of the backbone.
        store: the stored runs.
    """
    plan = context.cells(experiment, tasks)
    done = [is_done(cell, store) for cell in plan]
    return SweepPart(
        experiment=experiment,
        checksum=context.backbone.checksum,
        done=tuple(cell for cell, is_stored in zip(plan, done, strict=True) if is_stored),
        missing=tuple(cell for cell, is_stored in zip(plan, done, strict=True) if not is_stored),
        work=tuple(estimated_work(plan, context)),
    )


def check_distinct(parts: Sequence[SweepPart]) -> None:
    """Raises InputError if two backbones are the same under different names."""
    names: dict[str, str] = {}
    for part in parts:
        name = part.experiment.backbone
        if (other := names.setdefault(part.checksum, name)) != name:
            allowed = f"it is the same model as {other!r}, and each is compared once"
            raise InputError("config.backbones", name, allowed)
