"""Dry run: the runs, trained parameters, storage and time of a sweep, without running it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
from research.runtime.device_kinds import device_kind
from research.sweeps.data_report import check_data
from research.sweeps.time_estimate import Machine, TimeEstimate, key_of, recorded
from research.sweeps.worker_count import PROCESS_BYTES, workers_of_plan
from research.tasks.task import Task
from research.tasks.task_settings import Outline, TaskSettings

# Steps of models of 10 and 60 million parameters reach 1 and 4 % of the rate of an H200, those of
# models of 0.5 and 9 million parameters about a quarter and most of that of a core.
REACHED, HALF_RATE = 0.4, {"cpu": 1.2e6, "accelerator": 5e8}
# Copies of the trained leaves: gradients, two moments, the best, a temporary. Of all leaves: the
# weights and about as much again for activations of small batches.
COPIES_OF_TRAINED, ACTIVATIONS = 5, 2
RECORD_BYTES = 60_000  # a record, its metrics and its predictions


@dataclass(frozen=True)
class DryRunRow:
    """An approach over all tasks and regimes.

    Attributes:
        approach: name of the approach.
        runs: number of runs.
        cohorts: number of cohorts.
        programs: training steps that are compiled separately.
        sizes: distinct parameter counts of its trials; empty for a baseline.
        training: seconds of training, all runs one after the other, without early stopping.
        scoring: seconds of scoring train, dev and test.
        widths: programs with the widths of their rows, each of which is compiled.
        compiling: seconds of compiling its programs, except those of the rows before.
        memory: bytes that one run needs at a time.
        recorded: number of runs whose seconds come from stored records.
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
    memory: int
    recorded: int

    @property
    def seconds(self) -> float:
        """All seconds of the row, on one worker."""
        return self.training + self.scoring + self.compiling


@dataclass(frozen=True)
class DryRun:
    """The plan of a sweep.

    Attributes:
        name: name of the experiment.
        backbone: name of the backbone.
        parameters: number of parameters of the backbone.
        rows: one for each approach.
        machine: the machine that executes the runs.
        device: name of another device that the plan is for; None for this machine.
        memory: bytes of memory that all runs at a time need.
        disk: bytes of records, predictions and trained leaves.
        assumed: tasks whose texts are not available, so that their lengths are assumed.
        data_report: data report of the tasks whose examples are available.
    """

    name: str
    backbone: str
    parameters: int
    rows: tuple[DryRunRow, ...]
    machine: Machine
    device: str | None
    memory: int
    disk: int
    assumed: tuple[str, ...]
    data_report: DataReport

    @property
    def seconds(self) -> float:
        """Seconds from start to end."""
        return self.machine.wall_seconds(sum(row.seconds for row in self.rows))


def plan_only(
    experiment: Experiment, folder: Path, device: str | None = None, machine: Machine | None = None
) -> DryRun:
    """Plans as a sweep does, on shapes.

    Of the backbone the config.json is read; where it is no folder, the experiment's `architecture`
    stands for it. Examples are read from files, and of tasks whose settings do not say which labels
    they have. Raises InputError.

    Args:
        experiment: the experiment.
        folder: the results folder, whose records have the seconds of runs on this machine.
        device: name of another device, see `research.runtime.device_kinds`; None for this machine.
        machine: the machine that executes the runs; None to measure this one or look `device` up.
    """
    name, architecture = (
        resolve_path(experiment.backbone, "config.backbone"),
        experiment.architecture,
    )
    model = (
        load_model(name) if architecture is None or Path(name).is_dir() else model_of(architecture)
    )
    leaves = backbone_shapes(model)
    has_tokenizer = (Path(name) / "tokenizer.json").is_file()
    tokenizer = load_tokenizer(name, model) if has_tokenizer else None
    tasks: dict[str, Task | Outline] = {
        settings.name: _task_or_outline(settings) for settings in experiment.all_tasks
    }
    parameters = sum(leaf.size for leaf in leaves.values())
    machine = machine or _machine(experiment, device, 4 * parameters)
    timing = TimeEstimate(
        model=model,
        parameters=parameters,
        tokenizer=tokenizer,
        tasks=tasks,
        machine=machine,
        max_dev=experiment.max_dev,
        recorded=recorded(folder) if device is None else {},
    )
    # Cells ask a task for its name, labels and templates, which an outline has.
    ways = {name: _scorings(task, tokenizer, model) for name, task in tasks.items()}
    plan = list(cells(experiment, cast(Mapping[str, Task], tasks), "", ways))
    by_approach = {
        row.name: [cell for cell in plan if cell.approach.name == row.name]
        for row in experiment.rows
    }
    rows = [
        _row(name, row_cells, leaves, timing)
        for name, row_cells in by_approach.items()
        if row_cells
    ]
    rows = _with_compilation(rows, machine, _layers(leaves))
    loaded = [task for task in tasks.values() if isinstance(task, Task)]
    return DryRun(
        name=experiment.name,
        backbone=experiment.backbone,
        parameters=parameters,
        rows=rows,
        machine=machine,
        device=device,
        memory=machine.workers * (PROCESS_BYTES + max(row.memory for row in rows)),
        disk=_disk_bytes(experiment, rows, plan),
        assumed=timing.assumed(),
        data_report=check_data(experiment, loaded, model, tokenizer, folder),
    )


def _scorings(task: Task | Outline, tokenizer: Tokenizer | None, model: Model) -> tuple[Trial, ...]:
    """The `scorings` of a task; with and without the end where its tokens are not available."""
    if model.ROUTE not in ("causal", "seq2seq") or not task.labels:
        return ()
    if tokenizer is None or not isinstance(task, Task):
        return (WITH_END, ALONE)
    return scorings(task, tokenizer, model.ROUTE)


def _row(
    name: str, row_cells: Sequence[CellPlan], leaves: Leaves, timing: TimeEstimate
) -> DryRunRow:
    programs: set[Any] = set()
    measured: dict[Any, ParameterCounts] = {}
    groups, training, scoring, memory = 0, 0.0, 0.0, 0
    widths: set[Any] = set()
    for cell in row_cells:
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
        of_run = timing.seconds(cell, approach, size)
        training += cell.size * of_run.training
        scoring += cell.size * of_run.scoring + len(cell.tested(first)) * of_run.test
        stages = _programs(cell, approach)
        widths |= {(stages[index], width) for index, width in timing.widths(cell, approach)}
        if not stages:  # the prompt alone is compiled, for each task
            widths.add((name, cell.task.name))
        memory = max(memory, _memory_bytes(leaves, size))
    recorded = sum(cell.size for cell in row_cells if key_of(cell) in timing.recorded)
    runs = sum(cell.size for cell in row_cells)
    return DryRunRow(
        approach=name,
        runs=runs,
        cohorts=groups,
        programs=frozenset(programs),
        sizes=tuple(measured.values()),
        training=training,
        scoring=scoring,
        widths=frozenset(widths),
        compiling=0.0,
        memory=memory,
        recorded=recorded,
    )


def _with_compilation(
    rows: Sequence[DryRunRow], machine: Machine, layers: int
) -> tuple[DryRunRow, ...]:
    """The rows with the seconds of compiling their programs, except those of the rows before."""
    programs, widths = set[Any](), set[Any]()
    timed = []
    for row in rows:
        new = len(row.programs - programs), len(row.widths - widths)
        timed.append(replace(row, compiling=layers * machine.compile_seconds(*new)))
        programs |= row.programs
        widths |= row.widths
    return tuple(timed)


def _machine(experiment: Experiment, device: str | None, backbone_bytes: int) -> Machine:
    """The device of that name, or this machine as measured."""
    if device is not None:
        kind = device_kind(device)
        peak = kind.bfloat16 if experiment.precision == "bfloat16" else kind.float32
        return Machine(flops=REACHED * peak, half_rate=HALF_RATE["accelerator"], workers=1)
    here = "cpu" if jax.default_backend() == "cpu" else "accelerator"
    workers = workers_of_plan(experiment, backbone_bytes) if here == "cpu" else 1
    measured = rate(dtype=jnp.dtype(experiment.precision))
    return Machine(flops=measured, half_rate=HALF_RATE[here], workers=workers)


def _memory_bytes(leaves: Leaves, size: ParameterCounts) -> int:
    """Bytes of the leaves of a run, its gradients, moments, best leaves and temporaries."""
    whole = sum(leaf.size for leaf in leaves.values())
    return 4 * (ACTIVATIONS * whole + COPIES_OF_TRAINED * size.trained)


def _disk_bytes(experiment: Experiment, rows: Sequence[DryRunRow], plan: Sequence[CellPlan]) -> int:
    """Bytes of records and predictions, and of the trained leaves that are kept at a time."""
    stored = {row.approach: max((s.stored_bytes for s in row.sizes), default=0) for row in rows}
    unfinished = [stored.get(cell.approach.name, 0) * cell.size for cell in plan]
    tested = [len(cell.tested(cell.trials[0])) for cell in plan]
    always = experiment.keep_trained
    trained = sum(
        stored.get(cell.approach.name, 0) * count for cell, count in zip(plan, tested, strict=True)
    )
    records = RECORD_BYTES * sum(cell.size for cell in plan)
    return records + max(unfinished, default=0) + (trained if always else 0)


def _layers(leaves: Leaves) -> int:
    """Number of layers of a backbone, of encoder and decoder together."""
    return len({path.split("/attention")[0] for path in leaves if "/attention" in path})


def _size_key(cell: CellPlan, approach: Approach) -> Any:
    """Key of the settings that determine sizes: no learning rates and schedules."""
    stages = tuple((stage.methods, stage.merge) for stage in approach.stages)
    return stages, tuple(map(len, _labels(cell, approach)))


def _labels(cell: CellPlan, approach: Approach) -> list[tuple[str, ...]]:
    """The labels of the task of each stage, or its words if it has none."""
    tasks = map(cell.task_of, approach.stages)
    return [task.labels or task.words for task in tasks]


def _programs(cell: CellPlan, approach: Approach) -> list[Any]:
    """Key of the compiled step of each stage, without the widths of rows."""
    programs = []
    for index, (stage, labels) in enumerate(
        zip(approach.stages, _labels(cell, approach), strict=True)
    ):
        methods = approach.in_training(index, approach.at_work(index))
        classes = len(labels) if any(method.is_head for method in methods) else 0
        programs.append((jax.tree.structure(methods), len(stage.methods), stage.schedule, classes))
    return programs


def _task_or_outline(settings: TaskSettings) -> Task | Outline:
    """The outline of a task, or the whole task if its settings do not say enough."""
    outline = settings.outline()
    return settings.load() if outline is None else outline
