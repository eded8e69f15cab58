"""Dry run: what a sweep would run, train and store, and how long it would take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jax
import jax.numpy as jnp

from research.common.paths import resolve_path
from research.common.tokenizer import Tokenizer
from research.experiments.approach import Approach, Trial
from research.experiments.cohorts import cohorts
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, cells
from research.experiments.scorings import ALONE, WITH_END, scorings
from research.methods.method import Leaves
from research.models.backbone import load_model, load_tokenizer, model_of
from research.models.model import Model
from research.records.data_report import DataReport
from research.runs.costs.flops import rate
from research.runs.costs.parameter_counts import ParameterCounts, backbone_shapes, parameter_counts
from research.sweeps.data_report import check_data
from research.sweeps.time_estimate import TimeEstimate, key_of, recorded
from research.tasks.task import Outline, Task, TaskSettings


@dataclass(frozen=True)
class DryRunRow:
    """An approach over all tasks and regimes.

    Attributes:
        approach: name of the approach.
        runs: number of runs.
        cohorts: number of cohorts.
        programs: training steps that are compiled separately.
        sizes: distinct parameter counts of its trials; empty for a baseline.
        seconds: maximum seconds of training.
        recorded: number of runs whose seconds come from stored records.
    """

    approach: str
    runs: int
    cohorts: int
    programs: frozenset[Any]
    sizes: tuple[ParameterCounts, ...]
    seconds: float
    recorded: int


@dataclass(frozen=True)
class DryRun:
    """The plan of a sweep.

    Attributes:
        name: name of the experiment.
        backbone: name of the backbone.
        parameters: number of parameters of the backbone.
        rows: one for each approach.
        flops: FLOPs per second of a matrix product on the device.
        assumed: tasks whose texts are not available, so that their lengths are assumed.
        surveys: data report of the tasks whose examples are available.
    """

    name: str
    backbone: str
    parameters: int
    rows: tuple[DryRunRow, ...]
    flops: float
    assumed: tuple[str, ...]
    surveys: DataReport


def plan_only(experiment: Experiment, folder: Path) -> DryRun:
    """Plans as a sweep does, on shapes. folder: of results, whose records know what runs took.

    Of the backbone the config.json is read; where it is no folder, the experiment's `architecture`
    stands for it. Examples are read from files, and of tasks whose settings do not say which labels
    they have. Raises InputError.
    """
    name, given = resolve_path(experiment.backbone, "config.backbone"), experiment.architecture
    model = load_model(name) if given is None or Path(name).is_dir() else model_of(given)
    leaves = backbone_shapes(model)
    has_tokenizer = (Path(name) / "tokenizer.json").is_file()
    tokenizer = load_tokenizer(name, model) if has_tokenizer else None
    tasks: dict[str, Task | Outline] = {one.name: _known(one) for one in experiment.all_tasks}
    timing = TimeEstimate(
        model,
        tokenizer,
        tasks,
        rate(dtype=jnp.dtype(experiment.precision)),
        recorded(folder),
    )
    # Cells ask a task for its name, labels and templates, which an outline has.
    ways = {name: _scorings(task, tokenizer, model) for name, task in tasks.items()}
    plan = list(cells(experiment, cast(Mapping[str, Task], tasks), "", ways))
    found = {
        row.name: [cell for cell in plan if cell.approach.name == row.name]
        for row in experiment.rows
    }
    rows = tuple(_row(name, own, leaves, timing) for name, own in found.items() if own)
    parameters = sum(leaf.size for leaf in leaves.values())
    at_hand = [task for task in tasks.values() if isinstance(task, Task)]
    return DryRun(
        name=experiment.name,
        backbone=experiment.backbone,
        parameters=parameters,
        rows=rows,
        flops=timing.flops,
        assumed=timing.assumed(),
        surveys=check_data(experiment, at_hand, model, tokenizer, folder),
    )


def _scorings(task: Task | Outline, tokenizer: Tokenizer | None, model: Model) -> tuple[Trial, ...]:
    """The `scorings` of a task; with and without the end where its tokens are not available."""
    if model.ROUTE not in ("causal", "seq2seq") or not task.labels:
        return ()
    if tokenizer is None or not isinstance(task, Task):
        return (WITH_END, ALONE)
    return scorings(task, tokenizer, model.ROUTE)


def _row(name: str, found: Sequence[CellPlan], leaves: Leaves, timing: TimeEstimate) -> DryRunRow:
    programs: set[Any] = set()
    measured: dict[Any, ParameterCounts] = {}
    groups, seconds = 0, 0.0
    for cell in found:
        first, *_ = cell.trials
        groups += sum(len(cohorts(group)) for group in cell.groups(first))
        if cell.approach.baseline is not None:
            continue
        for approach in map(cell.approach.at, cell.trials):
            programs |= set(_programs(cell, approach))
            if (key := _size_key(cell, approach)) not in measured:
                measured[key] = parameter_counts(approach, leaves, _labels(cell, approach))
        approach = cell.approach.at(first)
        size = measured[_size_key(cell, approach)]
        seconds += cell.size * timing.seconds(cell, approach, size)
    known = sum(cell.size for cell in found if key_of(cell) in timing.recorded)
    runs = sum(cell.size for cell in found)
    return DryRunRow(
        approach=name,
        runs=runs,
        cohorts=groups,
        programs=frozenset(programs),
        sizes=tuple(measured.values()),
        seconds=seconds,
        recorded=known,
    )


def _size_key(cell: CellPlan, approach: Approach) -> Any:
    """What decides on sizes: learning rates and schedules do not."""
    stages = tuple((stage.methods, stage.merge) for stage in approach.stages)
    return stages, tuple(map(len, _labels(cell, approach)))


def _labels(cell: CellPlan, approach: Approach) -> list[tuple[str, ...]]:
    """Those of the task of each stage, or the words that it names in their place."""
    tasks = map(cell.task_of, approach.stages)
    return [task.labels or task.words for task in tasks]


def _programs(cell: CellPlan, approach: Approach) -> list[Any]:
    """What decides on the compiled step of each stage, but for the widths of rows."""
    found = []
    for index, (stage, labels) in enumerate(
        zip(approach.stages, _labels(cell, approach), strict=True)
    ):
        methods = approach.in_training(index, approach.at_work(index))
        classes = len(labels) if any(method.is_head for method in methods) else 0
        found.append((jax.tree.structure(methods), len(stage.methods), stage.schedule, classes))
    return found


def _known(settings: TaskSettings) -> Task | Outline:
    """What a task's settings say of it without reading examples, or else the whole task."""
    outline = settings.outline()
    return settings.load() if outline is None else outline
