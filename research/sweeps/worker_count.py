"""How many workers a sweep gets, and of which kind."""

import os
from collections.abc import Sequence

import jax

from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.runs.context import RunContext
from research.runtime.compilation_cache import cores

# Measured on two cores: a process is ready five seconds after a thread would be, and does about
# 1.4 times as much from then on.
WORTHWHILE = 20.0  # seconds of work
RATE = 5e10  # operations a second of a core with the small matrices of a small model
TOKENS = 64  # of a row
SCORED = 500  # rows of a run

# A process holds the libraries and compiled programs, and of full fine-tuning the backbone, the
# trained leaves, their two moments, gradients and best values, and what a step needs besides.
PROCESS_BYTES, COPIES = 1 << 30, 8


def threads() -> int:
    """How many cells run at the same time in one process, if nobody says."""
    return min(os.cpu_count() or 1, 4) if jax.default_backend() == "cpu" else 1


def processes(experiment: Experiment, missing: Sequence[CellPlan], context: RunContext) -> int:
    """How many worker processes run the missing cells; below 2, this process runs them.

    Processes are for CPU, where members of a cohort run one after the other, and where the system
    can pin them to cores. If nobody says how many: one per core, fewer where the memory holds
    fewer (1 GiB and eight times the backbone for each), and none for a few seconds of work.
    """
    on_one_cpu = jax.default_backend() == "cpu" and context.devices.mesh().size == 1
    if not missing or not on_one_cpu or context.devices.vmapped():
        return 1
    if not hasattr(os, "sched_setaffinity"):
        return 1
    if experiment.workers is not None:
        return experiment.workers
    leaves = context.backbone.params.values()
    each = PROCESS_BYTES + COPIES * sum(leaf.nbytes for leaf in leaves)
    params = sum(leaf.size for leaf in leaves)
    if sum(_operations(cell, params) for cell in missing) < WORTHWHILE * RATE:
        return 1
    return min(len(cores()), _memory() // each)


def _operations(cell: CellPlan, params: int) -> float:
    """Of all runs of a cell, roughly; a trained row costs three times a scored one."""
    if cell.approach.baseline is not None:
        return 0.0
    schedules = [stage.schedule for stage in cell.approach.stages]
    rows = SCORED + sum(3 * schedule.steps * schedule.batch_size for schedule in schedules)
    return 2.0 * params * TOKENS * rows * cell.size


def _memory() -> int:
    """Bytes of the machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
