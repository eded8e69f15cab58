"""Dry run: the runs, trained parameters, storage and time of a sweep, without running it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import jax

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.evaluation.widths import program_cost
from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.experiments.scorings import chat_plan
from research.models.backbone import load_model, load_tokenizer, model_of
from research.records.data_report import DataReport
from research.runs.costs.parameter_counts import backbone_shapes
from research.sweeps.data_report import check_data
from research.sweeps.dry_run.encoding import EncodingEstimate
from research.sweeps.dry_run.inputs import label_scorings, task_or_outline, without_route
from research.sweeps.dry_run.machine import Machine, machine_of
from research.sweeps.dry_run.memory import sweep_memory, unfit_approaches
from research.sweeps.dry_run.recorded import NOTHING, pace_here, recorded_seconds
from research.sweeps.dry_run.requests import RequestEstimate, Requests, total
from research.sweeps.dry_run.row import DryRunRow, dry_run_row
from research.sweeps.dry_run.run_flops import RunFlops
from research.sweeps.dry_run.sampled_rows import SampledRows
from research.sweeps.dry_run.sizes import Sizes
from research.sweeps.dry_run.time_estimate import TimeEstimate
from research.tasks.task import Task
from research.tasks.task_settings import Outline

RECORD_BYTES = 60_000  # a record, its metrics and its predictions


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
        states: bytes of hidden states among them, which each process keeps.
        disk: bytes of records, predictions, trained leaves and hidden states.
        assumed: tasks whose texts are not available, so that their lengths are assumed.
        data_report: data report of the tasks whose examples are available.
        refused: approaches that the backbone cannot do, in an experiment with several, with the
            reasons.
        paced_by: number of cells whose stored runs of this machine tell its speed.
    """

    name: str
    backbone: str
    parameters: int
    rows: tuple[DryRunRow, ...]
    machine: Machine
    device: str | None
    memory: int
    states: int
    disk: int
    assumed: tuple[str, ...]
    data_report: DataReport
    refused: tuple[tuple[str, str], ...] = ()
    paced_by: int = 0

    @property
    def requests(self) -> Requests | None:
        """The requests of all rows to servers; None where no row asks one."""
        return total(row.requests for row in self.rows if row.requests is not None)

    @property
    def checking(self) -> float:
        """Seconds of checks before the first run."""
        return sum(row.checking for row in self.rows)

    @property
    def seconds(self) -> float:
        """Seconds from start to end. One worker at a time waits for the replies of a server."""
        work = sum(row.seconds for row in self.rows)
        waiting = 0.0 if self.requests is None else self.requests.seconds
        return max(
            self.machine.wall_seconds(work, self.checking),
            self.machine.wall_seconds(0.0, self.checking) + waiting,
        )


def plan_only(
    experiment: Experiment, folder: Path, device: str | None = None, machine: Machine | None = None
) -> DryRun:
    """Plans as a sweep does, on shapes, the part of an experiment with one backbone.

    Of the backbone, config.json is read, and the tokenizer where there is one; the experiment's
    `architecture` stands for a backbone that is no folder. Examples are read from files, and of
    tasks whose settings do not say which labels they have. Raises InputError.

    Args:
        experiment: the experiment.
        folder: the results folder, whose records have the seconds of runs on this machine.
        device: name of another device, see `research.runtime.device_kinds`; None for this machine.
        machine: the machine that executes the runs; None to measure this one or look `device` up.
    """
    name = resolve_path(experiment.backbone, "config.backbone")
    architecture = experiment.architecture
    model = (
        load_model(name) if architecture is None or Path(name).is_dir() else model_of(architecture)
    ).with_layers(experiment.devices.layers)
    leaves = backbone_shapes(model)
    has_tokenizer = (Path(name) / "tokenizer.json").is_file()
    tokenizer = load_tokenizer(name, model) if has_tokenizer else None
    tasks: dict[str, Task | Outline] = {
        settings.name: task_or_outline(settings) for settings in experiment.all_tasks
    }
    parameters = sum(leaf.size for leaf in leaves.values())
    # Cells ask a task for its name, labels and templates, which an outline has.
    ways = {name: label_scorings(task, tokenizer, model) for name, task in tasks.items()}
    chat = chat_plan(tasks, tokenizer, model.ROUTE)
    plan = list(cells(experiment, cast(Mapping[str, Task], tasks), "", ways, parameters, chat))
    sampled = SampledRows(
        tasks=tasks,
        tokenizer=tokenizer,
        context=model.config.context,
        step_cost=program_cost(leaves, "train"),
        route=model.ROUTE,
        bos=experiment.bos,
    )
    sizes = Sizes(leaves)
    unfit = {}
    if experiment.backbones:
        unfit = unfit_approaches(plan, sizes, sampled) | without_route(experiment, model, leaves)
    plan = [cell for cell in plan if cell.approach.name not in unfit]
    memory = sweep_memory(plan, sizes, sampled)
    machine = machine or machine_of(experiment, device, memory.process, sampled.tokens_per_second())
    flops = RunFlops(model, parameters, sampled, bool(experiment.devices.trunk_gib))
    estimate = TimeEstimate(flops, machine, experiment.max_dev)
    recorded = NOTHING if device else recorded_seconds(folder, experiment, tasks)
    pace = pace_here(plan, sizes, estimate, recorded)
    estimate = replace(estimate, recorded=recorded.training, pace=pace.pace)
    request_estimate = RequestEstimate(folder, tokenizer)
    encoding = EncodingEstimate(sampled, machine, experiment.max_dev)
    rows: list[DryRunRow] = []
    refused = [*unfit.items()]
    for approach in experiment.rows:
        if row_cells := [cell for cell in plan if cell.approach.name == approach.name]:
            try:
                seconds = [encoding.seconds(cell) for cell in row_cells]
                requests = total(filter(None, map(request_estimate.requests, row_cells)))
                rows.append(dry_run_row(row_cells, sizes, estimate, seconds, requests, rows))
            except InputError as error:
                if not experiment.backbones:
                    raise
                refused.append((approach.name, str(error)))
    # An accelerator leaves the states to the memory of its host.
    on_host = device is None and jax.default_backend() == "cpu"
    loaded = [task for task in tasks.values() if isinstance(task, Task)]
    return DryRun(
        name=experiment.name,
        backbone=experiment.backbone,
        parameters=parameters,
        rows=tuple(rows),
        machine=estimate.machine,
        device=device,
        memory=estimate.machine.workers * (memory.process if on_host else memory.run),
        states=estimate.machine.workers * memory.in_memory if on_host else 0,
        disk=_disk_bytes(experiment, rows, plan) + memory.states,
        assumed=estimate.rows.assumed(),
        data_report=check_data(experiment, loaded, model, tokenizer, folder),
        refused=tuple(refused),
        paced_by=pace.cells,
    )


def _disk_bytes(experiment: Experiment, rows: Sequence[DryRunRow], plan: Sequence[CellPlan]) -> int:
    """Bytes of records and predictions, and of the trained leaves that are kept at a time."""
    stored = {row.approach: max((s.stored_bytes for s in row.sizes), default=0) for row in rows}
    plan = [cell for cell in plan if cell.approach.name in stored]
    unfinished = [stored[cell.approach.name] * cell.size for cell in plan]
    kept = [stored[cell.approach.name] * len(cell.tested(cell.trials[0])) for cell in plan]
    records = RECORD_BYTES * sum(cell.size for cell in plan)
    return records + max(unfinished, default=0) + (sum(kept) if experiment.keep_trained else 0)
