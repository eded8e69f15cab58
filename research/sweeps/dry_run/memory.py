"""Memory of a process that executes the runs of a sweep, from shapes and lengths alone."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from research.common.errors import InputError
from research.evaluation.widths import program_cost
from research.experiments.approach import Approach
from research.experiments.plan import CellPlan, Run
from research.runs.context import RunContext
from research.runs.costs.memory import run_bytes, state_bytes
from research.runs.costs.parameter_counts import ParameterCounts
from research.sweeps.dry_run.sampled_rows import SampledRows
from research.sweeps.dry_run.sizes import Sizes


class Memory(NamedTuple):
    """Memory of a process that executes one run after the other.

    Attributes:
        run: bytes for the run that needs most.
        states: bytes of the hidden states of all texts that are kept below the trained leaves.
        in_memory: bytes of them that stay in memory, at most `devices.trunk_gib`.
    """

    run: int
    states: int
    in_memory: int

    @property
    def process(self) -> int:
        """Bytes of the process."""
        return self.run + self.in_memory


def sweep_memory(plan: Sequence[CellPlan], sizes: Sizes, rows: SampledRows) -> Memory:
    """The memory of a process that executes runs of these cells.

    Args:
        plan: the cells.
        sizes: parameter counts of approaches.
        rows: the rows of the tasks.
    """
    run, states = run_bytes(sizes.backbone, (), rows=0, tokens=0, targets=0), 0.0
    for cell in plan:
        if cell.approach.stages:
            approach = Run(cell, cell.trials[0], 0).approach
            size = sizes(cell, approach)
            run = max(run, *_stage_bytes(cell, approach, size, rows))
            states += _state_bytes(cell, approach, size, rows)
    most = max((cell.experiment.devices.trunk_gib for cell in plan), default=0.0) * 2**30
    return Memory(run, round(states) if most else 0, round(min(states, most)))


def unfit_approaches(plan: Sequence[CellPlan], sizes: Sizes, rows: SampledRows) -> dict[str, str]:
    """Why the backbone cannot do approaches of these cells, by their names."""
    reasons: dict[str, str] = {}
    for cell in plan:
        try:
            sweep_memory([cell], sizes, rows)
        except InputError as error:
            reasons.setdefault(cell.approach.name, str(error))
    return reasons


def process_bytes(cells: Sequence[CellPlan], context: RunContext) -> int:
    """Bytes of a process that executes runs of these cells, of which there is at least one.

    Approaches that the backbone cannot do are left out: the check of their runs says why.
    """
    leaves, limit = context.backbone.params, context.backbone.model.config.context
    step_cost, sizes = program_cost(leaves, "train"), Sizes(leaves)
    route, bos = context.backbone.model.ROUTE, cells[0].experiment.bos
    rows = SampledRows(cells[0].tasks, context.tokenizer, limit, step_cost, route, bos)
    unfit = unfit_approaches(cells, sizes, rows)
    return sweep_memory(
        [cell for cell in cells if cell.approach.name not in unfit], sizes, rows
    ).process


def _stage_bytes(
    cell: CellPlan, approach: Approach, size: ParameterCounts, rows: SampledRows
) -> Iterable[int]:
    """Bytes of a run that trains each stage, with its widest batch."""
    targets = rows.longest_target(cell.task.name, approach)
    for index, (stage, (leaves, trained)) in enumerate(
        zip(approach.stages, size.stages, strict=True)
    ):
        widest = max(rows.step_widths(cell, approach, index))
        yield run_bytes(
            leaves,
            trained,
            rows=stage.schedule.batch_size // stage.schedule.accumulate,
            tokens=widest + sum(method.positions for method in stage.methods),
            targets=targets,
            scanned=cell.experiment.devices.layers == "scan",
        )


def _state_bytes(
    cell: CellPlan, approach: Approach, size: ParameterCounts, rows: SampledRows
) -> float:
    """Bytes of the states of a cell's texts, those of test in the first regime alone.

    As many texts of train as of dev are scored too, with states of their own.
    """
    name, experiment = cell.task.name, cell.experiment
    train, seeds = rows.train(name, cell.regime), experiment.seeds
    dev = min(experiment.max_dev, train)
    texts = (1 if cell.regime.kind == "all" else seeds) * train + 2 * seeds * dev
    if cell.order["regime"] == 0:
        texts += rows.test(name)
    leaves, _ = size.stages[-1]
    trained = frozenset().union(*(paths for _, paths in size.stages))
    lengths = rows.lengths(name, approach)
    tokens = rows.mean_tokens(name, approach) + lengths.answers - float(lengths.targets.mean())
    return state_bytes(leaves, trained, texts, tokens)
