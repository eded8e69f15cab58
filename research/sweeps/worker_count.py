"""Decides how many workers a sweep gets, and whether they are threads or processes."""

import os
from collections.abc import Sequence

import jax

from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.runs.context import RunContext
from research.runs.costs.flops import rough_flops
from research.runtime.threads import cores

# Measured on two cores: a process starts five seconds later than a thread and is then about 1.4
# times as fast.
WORTHWHILE = 20.0  # seconds of work
RATE = 5e10  # FLOPs per second of a core with the small matrices of a small model
ROW_TOKENS = 64
SCORED_ROWS = 500  # scored rows of a run

# A process holds the libraries and the compiled programs. Full fine-tuning needs the backbone, the
# trained leaves, two moments, gradients, the best leaves and the temporaries of a step.
PROCESS_BYTES, COPIES = 1 << 30, 8


def threads() -> int:
    """The default number of cells that run at the same time in one process."""
    return min(os.cpu_count() or 1, 4) if jax.default_backend() == "cpu" else 1


def processes(experiment: Experiment, missing: Sequence[CellPlan], context: RunContext) -> int:
    """The number of worker processes for the missing cells; below 2, this process runs them.

    Processes are for one CPU device where the members of a cohort run one after the other and the
    system can pin processes to cores. By default there is one per core (fewer if a run computes
    with several threads), as far as the memory allows (1 GiB and eight times the backbone for
    each), and none for a few seconds of work.
    """
    on_one_cpu = jax.default_backend() == "cpu" and context.devices.mesh().size == 1
    if not missing or not on_one_cpu or context.devices.vmapped():
        return 1
    if not hasattr(os, "sched_setaffinity"):
        return 1
    if experiment.workers is not None:
        return experiment.workers
    leaves = context.backbone.params.values()
    parameters = sum(leaf.size for leaf in leaves)
    if sum(_flops(cell, parameters) for cell in missing) < WORTHWHILE * RATE:
        return 1
    return workers_of_plan(experiment, sum(leaf.nbytes for leaf in leaves))


def workers_of_plan(experiment: Experiment, backbone_bytes: int) -> int:
    """The number of workers that cores and memory allow, or that the experiment sets."""
    if experiment.workers is not None:
        return experiment.workers
    by_cores = len(cores()) // experiment.devices.threads
    return max(1, min(by_cores, _memory_bytes() // (PROCESS_BYTES + COPIES * backbone_bytes)))


def _flops(cell: CellPlan, parameters: int) -> float:
    """Rough FLOPs of all runs of a cell."""
    if cell.approach.baseline is not None:
        return 0.0
    schedules = [stage.schedule for stage in cell.approach.stages]
    trained_rows = sum(schedule.steps * schedule.batch_size for schedule in schedules)
    run_flops = rough_flops(parameters, ROW_TOKENS * SCORED_ROWS, ROW_TOKENS * trained_rows)
    return cell.size * run_flops


def _memory_bytes() -> int:
    """Bytes of memory of the machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
