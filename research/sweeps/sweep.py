"""Runs an experiment: executes every run that is missing in its results folder."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.records.data_report import report_lines, write_data_report
from research.records.failures import Failure
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.records.test_access_log import TestAccessLog
from research.runs.context import RunContext
from research.runs.open_contexts import OpenContexts
from research.sweeps.data_report import check_data
from research.sweeps.failures import FailureLog
from research.sweeps.folder_lock import folder_lock
from research.sweeps.part_runner import SweepFolder, run_part
from research.sweeps.progress import SweepProgress
from research.sweeps.sweep_part import SweepPart, check_distinct, plan_part
from research.tasks.task import Task


def sweep(experiment: Experiment, folder: Path, console: Console) -> list[Failure]:
    """Runs every cell to completion, with records in `folder` and progress on `console`.

    All input is checked before anything is trained. The cells of one backbone run before those of
    the next, so that one backbone is in memory. A cell that its backbone cannot do is left out
    with the reason if another backbone can do it. A cell with a run that fails is tried once more
    after the others of its backbone. Returns the failures of cells that failed again. Raises
    InputError.
    """
    tasks = {settings.name: settings.load() for settings in experiment.all_tasks}
    contexts, store, accesses = OpenContexts(folder), RunStore(folder), TestAccessLog(folder)
    first, *others = _plan(experiment, tasks, contexts, store)
    progress = SweepProgress([work for part in (first, *others) for work in part.work], console)
    shared = SweepFolder(folder, store, accesses, FailureLog(folder), progress)
    stored = store.all()  # raises for a damaged record
    accesses.all()
    failed: list[CellPlan] = []
    with ExitStack() as lock:

        def begin(part: SweepPart, context: RunContext) -> SweepPart:
            """Checks the first part, then locks and prepares the folder."""
            accepted = {cell for other in others for cell in other.accepted}
            part = part.checked(context, accepted)
            lock.enter_context(folder_lock(folder))
            _prepare(part.experiment, tasks, context, shared, stored)
            for other in (part, *others):
                progress.leave_out([cell for cell, _ in other.refused])
            return part

        failed += run_part(first, contexts, shared, begin)
        for part in others:
            failed += run_part(part, contexts, shared)
    progress.close()
    return shared.failures.of(failed)


def _plan(
    experiment: Experiment, tasks: Mapping[str, Task], contexts: OpenContexts, store: RunStore
) -> list[SweepPart]:
    """The part of each backbone; all but the first are checked.

    The first is planned last, so that its backbone is in memory then.
    """
    first, *others = experiment.by_backbone
    parts = []
    for other in reversed(others):
        part = plan_part(other, tasks, contexts.of(other), store)
        parts.append(part.checked(contexts.of(other)))
    parts.append(plan_part(first, tasks, contexts.of(first), store))
    check_distinct(parts[::-1])
    return parts[::-1]


def _prepare(
    experiment: Experiment,
    tasks: Mapping[str, Task],
    context: RunContext,
    shared: SweepFolder,
    stored: Sequence[RunRecord],
) -> None:
    """Prepares the locked folder: its log of test evaluations, and its data report.

    Args:
        experiment: the part of the experiment with the first backbone, whose tokens are counted.
        tasks: the loaded tasks by name.
        context: the context of the first backbone.
        shared: the folder.
        stored: its records.
    """
    shared.store.clear()
    shared.accesses.backfill(stored, tasks.values())
    data_report = check_data(
        experiment, tasks.values(), context.backbone.model, context.tokenizer, shared.folder
    )
    write_data_report(shared.folder, data_report)
    for line in report_lines(data_report):
        shared.progress.note(line)
