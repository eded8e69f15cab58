"""The work of a sweep's cells: rough for a short sweep, and that of a plan for a long one."""

from collections.abc import Sequence
from dataclasses import replace

import jax.numpy as jnp

from research.common.errors import InputError
from research.evaluation.widths import program_cost
from research.experiments.plan import CellPlan, Run
from research.runs.context import RunContext
from research.sweeps.cell_work import RATE, CellWork, cell_work
from research.sweeps.dry_run.machine import this_machine
from research.sweeps.dry_run.product_rate import measured_rate
from research.sweeps.dry_run.run_flops import RunFlops
from research.sweeps.dry_run.sampled_rows import SampledRows
from research.sweeps.dry_run.sizes import Sizes
from research.sweeps.dry_run.time_estimate import TimeEstimate
from research.sweeps.row_tokens import row_tokens

LONG = 1800.0  # rough seconds from which on a sweep is estimated, which takes seconds


def estimated_work(plan: Sequence[CellPlan], context: RunContext) -> list[CellWork]:
    """The work of each cell of a sweep with one backbone."""
    tasks = {cell.task.name: cell.task for cell in plan}
    limit = context.backbone.model.config.context
    rows = {name: row_tokens(task, context.tokenizer, limit) for name, task in tasks.items()}
    work = [cell_work(cell, context.backbone.parameters, rows[cell.task.name]) for cell in plan]
    if sum(cell.all_rough_seconds for cell in work) < LONG:
        return work
    return _estimated(plan, work, context)


def _estimated(
    plan: Sequence[CellPlan], work: Sequence[CellWork], context: RunContext
) -> list[CellWork]:
    """The work with the seconds that a plan estimates, by the measured speed of this machine."""
    backbone, experiment = context.backbone, plan[0].experiment
    machine = this_machine(measured_rate(jnp.dtype(experiment.precision)), workers=1)
    sizes = Sizes(backbone.params)
    rows = SampledRows(
        tasks=plan[0].tasks,
        tokenizer=context.tokenizer,
        context=backbone.model.config.context,
        step_cost=program_cost(backbone.params, "train"),
        route=backbone.model.ROUTE,
        bos=experiment.bos,
    )
    keeps_states = bool(experiment.devices.trunk_gib)
    flops = RunFlops(backbone.model, backbone.parameters, rows, keeps_states)
    estimate = TimeEstimate(flops, machine, experiment.max_dev)
    faster = machine.rate(backbone.parameters) / RATE
    return [
        _of_cell(cell, rough, estimate, sizes, faster)
        for cell, rough in zip(plan, work, strict=True)
    ]


def _of_cell(
    cell: CellPlan, rough: CellWork, estimate: TimeEstimate, sizes: Sizes, faster: float
) -> CellWork:
    """The work of a cell; the rough one where the backbone cannot do it, which its check tells.

    faster: the speed of the machine, divided by that of the rough work.
    """
    if not cell.approach.uses_backbone:
        return rough
    try:
        approaches = [Run(cell, trial, 0).approach for trial in cell.trials]
        seconds = estimate.mean_seconds(cell, approaches, sizes)
    except InputError:
        return replace(
            rough,
            rough_seconds=rough.rough_seconds / faster,
            rough_test_seconds=rough.rough_test_seconds / faster,
        )
    return replace(
        rough,
        rough_seconds=seconds.training + seconds.scoring,
        rough_test_seconds=seconds.test,
    )
