"""Trains one run of an experiment; the record is the one that a sweep would write."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from research.common.errors import InputError, check_choice, choose_from
from research.experiments.approach import Trial
from research.experiments.cohorts import Shard, shards
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, Run
from research.experiments.seeds import Seeds
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.records.weights import is_kept
from research.runs.context import open_context
from research.runs.train import check_run
from research.sweeps.executor import RunExecutor, ShardWork
from research.sweeps.folder_lock import folder_lock
from research.sweeps.run_progress import Report
from research.tasks.sampling import Regime
from research.tasks.task import Task


@dataclass(frozen=True)
class RunRequest:
    """Which run of an experiment to train.

    Attributes:
        approach: name of the approach.
        task: name of the task; None for the first.
        regime: the regime, such as `16-shot`; None for the first.
        learning_rate: learning rate of the trial; None for any.
        trial: number of the trial among those with this learning rate.
        seed: the seed.
        order: seed of the order, in a run with crossed seeds; None for `seed`.
        initialisation: seed of the initialisation, in a run with crossed seeds; None for `seed`.
        backbone: the backbone, in an experiment with several; None for the first.
    """

    approach: str | None
    task: str | None = None
    regime: str | None = None
    learning_rate: float | None = None
    trial: int = 0
    seed: int = 0
    order: int | None = None
    initialisation: int | None = None
    backbone: str | None = None

    @property
    def seeds(self) -> int | Seeds:
        """One number where all sources have the same seed, as in an ordinary run."""
        seeds = Seeds(
            sample=self.seed,
            order=self.seed if self.order is None else self.order,
            initialisation=self.seed if self.initialisation is None else self.initialisation,
        )
        return self.seed if seeds == Seeds.alike(self.seed) else seeds


def train_run(
    experiment: Experiment, folder: Path, request: RunRequest, report: Report
) -> RunRecord:
    """Trains a run, scores it on train and dev, and keeps its trained leaves; returns its record.

    A run with a record and kept leaves is not trained again. Test is left to a sweep.
    Raises InputError for a run that the experiment does not have.
    """
    experiment = _part_of(experiment, request)
    _check(experiment, request)
    # The held-out text is for test alone.
    context, store = open_context(replace(experiment, held_out=None), folder), RunStore(folder)
    run = _find(experiment, context.cells(experiment, _tasks(experiment, request)), request)
    if not store.has(run.id) or (run.approach.stages and not is_kept(folder, run.id)):
        check_run(run, context)
        with folder_lock(folder):
            shard = _shard(run, context.devices.vmapped())
            executor = RunExecutor(context, store, report)
            executor.train(ShardWork(shard, [] if store.has(run.id) else [run]))
            executor.keep(run)
            context.clear()
    return store.read(run.id)


def _check(experiment: Experiment, request: RunRequest) -> None:
    """Checks what can be checked before anything is loaded."""
    check_choice("approach", request.approach, [row.name for row in experiment.rows])
    if request.task is not None:
        check_choice("task", request.task, [task.name for task in experiment.tasks])
    if not 0 <= request.seed < experiment.seeds:
        allowed = f"the experiment has seeds 0 to {experiment.seeds - 1}"
        raise InputError("seed", request.seed, allowed)


def _part_of(experiment: Experiment, request: RunRequest) -> Experiment:
    """The part of the experiment with the backbone of the request; the first for a row that uses
    no backbone.
    """
    parts = {part.backbone: part for part in experiment.by_backbone}
    if request.backbone is not None:
        check_choice("backbone", request.backbone, parts)
    unused = {row.name for row in experiment.rows if not row.uses_backbone}
    name = None if request.approach in unused else request.backbone
    return parts[name or experiment.backbone]


def _tasks(experiment: Experiment, request: RunRequest) -> dict[str, Task]:
    """The task of the run and those that its stages train on, which alone are loaded."""
    name = request.task or experiment.tasks[0].name
    row = next(row for row in experiment.rows_on(name) if row.name == request.approach)
    names = {name, *(stage.task for stage in row.stages)}
    return {task.name: task.load() for task in experiment.all_tasks if task.name in names}


def _find(experiment: Experiment, plan: Sequence[CellPlan], request: RunRequest) -> Run:
    task = request.task or experiment.tasks[0].name
    regimes = [str(Regime.parse(regime)) for regime in experiment.regimes]
    regime = request.regime or regimes[0]
    check_choice("regime", regime, regimes)
    wanted = (request.approach, task, regime)
    for cell in plan:
        if (cell.approach.name, cell.task.name, str(cell.regime)) == wanted:
            run = Run(cell, _trial(cell, request), request.seeds)
            runs = cell.tested(run.trial)
            if run not in runs:
                allowed = choose_from([str(other.seeds) for other in runs], str(run.seeds))
                raise InputError("seed, order and initialisation", str(run.seeds), allowed)
            return run
    raise InputError("task", task, f"{request.approach} cannot answer it")


def _trial(cell: CellPlan, request: RunRequest) -> Trial:
    trials, rate = cell.trials, request.learning_rate
    if rate is not None:
        trials = tuple(trial for trial in trials if trial.get("learning_rate") == rate)
        rates = [str(trial["learning_rate"]) for trial in cell.trials if "learning_rate" in trial]
        if not trials:
            raise InputError("learning_rate", rate, choose_from(rates, str(rate)))
    if not 0 <= request.trial < len(trials):
        raise InputError("trial", request.trial, f"there are trials 0 to {len(trials) - 1}")
    return trials[request.trial]


def _shard(run: Run, vmapped: bool) -> Shard:
    """The shard that a sweep would train the run in; with vmap the run alone."""
    if vmapped:
        return Shard((run,), (run,))
    groups = run.cell.groups(run.trial)
    sweep_shards = (shard for runs in groups for shard in shards(runs, vmapped))
    return next(shard for shard in sweep_shards if run in shard.runs)
