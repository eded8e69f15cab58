"""Decides how many workers a sweep gets, and whether they are threads or processes."""

import os
from collections.abc import Callable, Sequence

import jax

from research.experiments.experiment import Experiment
from research.runs.context import RunContext
from research.runtime.memory import usable_bytes
from research.runtime.threads import cores
from research.sweeps.cell_work import CellWork

# Measured on two cores: a process starts five seconds later than a thread and is then about 1.4
# times as fast.
WORTHWHILE = 20.0  # seconds of work
BUSY = 0.75  # share of the workers' time that runs take


def threads() -> int:
    """The default number of cells that run at the same time in one process."""
    return min(os.cpu_count() or 1, 4) if jax.default_backend() == "cpu" else 1


def processes(
    experiment: Experiment,
    missing: Sequence[CellWork],
    context: RunContext,
    process_bytes: Callable[[], int],
) -> int:
    """The number of worker processes for the missing cells; below 2, this process runs them.

    Processes are for one CPU device where the members of a cohort run one after the other and the
    system can pin processes to cores. By default there is one per core (fewer if a run computes
    with several threads), as far as the memory allows, and none for a few seconds of work.

    Args:
        experiment: the experiment.
        missing: work of the missing cells.
        context: resources of the runs.
        process_bytes: returns the bytes of a process that executes the runs.
    """
    on_one_cpu = jax.default_backend() == "cpu" and context.devices.mesh().size == 1
    if not missing or not on_one_cpu or context.devices.vmapped():
        return 1
    if not hasattr(os, "sched_setaffinity"):
        return 1
    if experiment.workers is not None:
        return experiment.workers
    if sum(cell.all_rough_seconds for cell in missing) < WORTHWHILE:
        return 1
    return workers_of_plan(experiment, process_bytes())


def workers_of_plan(experiment: Experiment, process_bytes: int) -> int:
    """The number of workers that cores and memory allow, or that the experiment sets.

    Args:
        experiment: the experiment.
        process_bytes: bytes of a process that executes the runs.
    """
    if experiment.workers is not None:
        return experiment.workers
    count, memory = len(cores()) // experiment.devices.threads, usable_bytes()
    if memory is not None:
        count = min(count, memory // process_bytes)
    return max(1, count)
