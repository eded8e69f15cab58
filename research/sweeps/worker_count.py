"""Decides how many workers a sweep gets, and whether they are threads or processes."""

import os
from collections.abc import Sequence

import jax

from research.experiments.experiment import Experiment
from research.methods.method import Leaves
from research.runs.context import RunContext
from research.runs.costs.memory import run_bytes
from research.runtime.memory import machine_bytes
from research.runtime.threads import cores
from research.sweeps.cell_work import CellWork

# Measured on two cores: a process starts five seconds later than a thread and is then about 1.4
# times as fast.
WORTHWHILE = 20.0  # seconds of work
BUSY = 0.75  # share of the workers' time that runs take

TOKENS, TARGETS = 128, 4  # of a row, before any text is encoded


def threads() -> int:
    """The default number of cells that run at the same time in one process."""
    return min(os.cpu_count() or 1, 4) if jax.default_backend() == "cpu" else 1


def processes(experiment: Experiment, missing: Sequence[CellWork], context: RunContext) -> int:
    """The number of worker processes for the missing cells; below 2, this process runs them.

    Processes are for one CPU device where the members of a cohort run one after the other and the
    system can pin processes to cores. By default there is one per core (fewer if a run computes
    with several threads), as far as the memory allows (see `worker_bytes`), and none for a few
    seconds of work.
    """
    on_one_cpu = jax.default_backend() == "cpu" and context.devices.mesh().size == 1
    if not missing or not on_one_cpu or context.devices.vmapped():
        return 1
    if not hasattr(os, "sched_setaffinity"):
        return 1
    if experiment.workers is not None:
        return experiment.workers
    if sum(cell.runs * cell.rough_seconds for cell in missing) < WORTHWHILE:
        return 1
    return workers_of_plan(experiment, context.backbone.params)


def workers_of_plan(experiment: Experiment, backbone: Leaves) -> int:
    """The number of workers that cores and memory allow, or that the experiment sets."""
    if experiment.workers is not None:
        return experiment.workers
    count, memory = len(cores()) // experiment.devices.threads, machine_bytes()
    if memory is not None:
        count = min(count, memory // worker_bytes(experiment, backbone))
    return max(1, count)


def worker_bytes(experiment: Experiment, backbone: Leaves) -> int:
    """Bytes of a worker for the approach that needs most, with rows of `TOKENS`.

    Args:
        experiment: the experiment.
        backbone: leaves of the backbone, or their shapes.
    """
    paths, scanned = list(backbone), experiment.devices.layers == "scan"
    needs = [run_bytes(backbone, (), rows=0, tokens=0, targets=0)]
    for stage in (stage for approach in experiment.rows for stage in approach.stages):
        trained = {path for method in stage.methods for path in method.trains(paths)}
        # Leaves that methods add are few, and their gradients may pass through all layers.
        trained = trained or {"added:/leaf"}
        rows = stage.schedule.batch_size
        needs.append(run_bytes(backbone, trained, rows, TOKENS, TARGETS, scanned))
    return max(needs)
