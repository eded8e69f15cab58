"""Seconds of stored runs, and how fast they were on this machine."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, Run
from research.records.configuration import Hardware
from research.records.provenance import hardware
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.sweeps.dry_run.sizes import Sizes
from research.sweeps.dry_run.time_estimate import Key, Pace, TimeEstimate, key_of
from research.tasks.task import Task
from research.tasks.task_settings import Outline


class RecordedSeconds(NamedTuple):
    """Seconds of the runs of a results folder, by key: each the median over the runs.

    Attributes:
        training: of training a run, on any machine, with early stopping.
        training_here: of all training steps of a run on this machine.
        test_here: of answering the first test split on this machine.
    """

    training: Mapping[Key, float]
    training_here: Mapping[Key, float]
    test_here: Mapping[Key, float]


NOTHING = RecordedSeconds({}, {}, {})


@dataclass(frozen=True)
class RecordedPace:
    """The pace of this machine by stored runs.

    Attributes:
        pace: the pace.
        cells: number of cells whose runs it comes from.
    """

    pace: Pace
    cells: int


def recorded_seconds(
    folder: Path, experiment: Experiment, tasks: Mapping[str, Task | Outline]
) -> RecordedSeconds:
    """The seconds of the runs of a results folder.

    Records of another backbone, other examples or another precision or length do not count.

    Args:
        folder: the results folder.
        experiment: the planned experiment.
        tasks: its tasks by name.
    """
    machine, records = hardware(), RunStore(folder).all()
    alike = [record for record in records if _alike(record, experiment, tasks.get(record.task))]
    here = [record for record in alike if _on(record, machine, experiment)]
    return RecordedSeconds(
        training=_medians(alike, _training),
        training_here=_medians(here, _all_steps),
        test_here=_medians(here, lambda record: record.costs.test_seconds),
    )


def pace_here(
    plan: Sequence[CellPlan], sizes: Sizes, estimate: TimeEstimate, recorded: RecordedSeconds
) -> RecordedPace:
    """The pace of this machine: medians over the planned cells that have runs of this machine.

    Where runs of one kind are missing, training or answers, the other kind tells the pace.

    Args:
        plan: the planned cells.
        sizes: parameter counts of approaches.
        estimate: the estimate without records.
        recorded: the seconds of stored runs.
    """
    training: list[float] = []
    answering: list[float] = []
    for cell in plan:
        key = key_of(cell)
        if key not in recorded.training_here and key not in recorded.test_here:
            continue
        approach = Run(cell, cell.trials[0], 0).approach
        try:
            seconds = estimate.seconds(cell, approach, sizes(cell, approach))
        except InputError:
            continue  # an approach that the backbone cannot do
        all_rows = estimate.rows.test(cell.task.name)
        first = len(cell.task.test) / all_rows if isinstance(cell.task, Task) else 1.0
        for ratios, measured, estimated in (
            (training, recorded.training_here.get(key), seconds.training),
            (answering, recorded.test_here.get(key), first * seconds.test),
        ):
            if measured and estimated:
                ratios.append(measured / estimated)
    found = training or answering
    if not found:
        return RecordedPace(Pace(), 0)
    pace = Pace(*(statistics.median(ratios or found) for ratios in (training, answering)))
    return RecordedPace(pace, max(len(training), len(answering)))


def _training(record: RunRecord) -> float | None:
    """Seconds of the training steps, those with kept states as they passed."""
    seconds = record.costs.train_seconds
    return None if seconds is None else seconds - record.costs.trunk_seconds


def _all_steps(record: RunRecord) -> float | None:
    """Seconds that all training steps would take without early stopping, of a single stage."""
    seconds, done = _training(record), record.notes.steps
    if seconds is None or len(done) != 1 or not done[0]:
        return None
    return seconds * record.configuration.stages[0].steps / done[0]


def _medians(
    records: Iterable[RunRecord], seconds_of: Callable[[RunRecord], float | None]
) -> dict[Key, float]:
    """The median seconds of records by key, without those that have none."""
    values: dict[Key, list[float]] = defaultdict(list)
    for record in records:
        if (seconds := seconds_of(record)) is not None:
            work = tuple((stage.steps, stage.batch_size) for stage in record.configuration.stages)
            values[*record.cell, work].append(seconds)
    return {key: statistics.median(seconds) for key, seconds in values.items()}


def _alike(record: RunRecord, experiment: Experiment, task: Task | Outline | None) -> bool:
    """Whether a run had the backbone and the inputs of the experiment."""
    of_run, settings = record.configuration, record.settings
    same_task = not isinstance(task, Task) or settings["task"]["checksum"] == task.checksum
    names = ("backbone", "precision", "max_tokens")
    return same_task and all(getattr(of_run, n) == getattr(experiment, n) for n in names)


def _on(record: RunRecord, machine: Hardware, experiment: Experiment) -> bool:
    """Whether a run was executed on this machine, with as many threads as the experiment's."""
    names = ("processor", "cores", "device_kind")
    same = all(getattr(record.provenance.hardware, n) == getattr(machine, n) for n in names)
    threads = record.configuration.devices.get("threads", 1)
    return same and threads == experiment.devices.threads
