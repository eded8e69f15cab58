"""One run of an experiment, alone: the same record, under the same id, as a sweep leaves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from research.common.errors import InputError, choose_from
from research.experiments.approach import Trial
from research.experiments.cohorts import Shard, shards
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan, Run, cells
from research.experiments.seeds import Seeds
from research.records.schema import Record
from research.records.store import RunStore
from research.records.weights import is_kept
from research.runs.context import open_context
from research.runs.train import check_run
from research.sweeps.executor import RunExecutor
from research.sweeps.folder_lock import folder_lock
from research.sweeps.progress import Report


@dataclass(frozen=True)
class RunRequest:
    """Which run. task, regime: None for the first. learning_rate: of the trial, None for any; of
    the trials that are left, number `trial` is meant. order, initialisation: their own seeds, None
    for that of everything else.
    """

    approach: str | None
    task: str | None = None
    regime: str | None = None
    learning_rate: float | None = None
    trial: int = 0
    seed: int = 0
    order: int | None = None
    initialisation: int | None = None

    @property
    def seeds(self) -> int | Seeds:
        """One number, where all are alike."""
        own = (self.order, self.initialisation)
        seeds = Seeds(self.seed, *(self.seed if one is None else one for one in own))
        return self.seed if seeds == Seeds.alike(self.seed) else seeds


def train_run(experiment: Experiment, folder: Path, wanted: RunRequest, report: Report) -> Record:
    """Trains and scores the run on train and dev, keeps what it trained; returns its record.

    A run that is stored with what it trained is not done again; test is for a sweep to score.
    Raises InputError for a run that the experiment does not have.
    """
    _check(experiment, wanted)
    tasks = {settings.name: settings.load() for settings in experiment.all_tasks}
    context, store = open_context(experiment, folder), RunStore(folder)
    plan = list(cells(experiment, tasks, context.backbone.checksum))
    run = _found(plan, wanted)
    if not store.has(run.id) or (run.approach.stages and not is_kept(folder, run.id)):
        check_run(run, context)
        with folder_lock(folder):
            run_executor = RunExecutor(context, store, report)
            run_executor.train(
                _share(run, context.devices.vmapped()), [] if store.has(run.id) else [run]
            )
            run_executor.keep(run)
    return store.read(run.id)


def _check(experiment: Experiment, wanted: RunRequest) -> None:
    """What can be seen before anything is loaded."""
    _one_of("approach", wanted.approach, [row.name for row in experiment.rows])
    if wanted.task is not None:
        _one_of("task", wanted.task, [task.name for task in experiment.tasks])
    if not 0 <= wanted.seed < experiment.seeds:
        raise InputError("seed", wanted.seed, f"the experiment has 0 to {experiment.seeds - 1}")


def _one_of(field: str, value: str | None, names: Sequence[str]) -> None:
    if value not in names:
        raise InputError(field, value, choose_from(names, str(value)))


def _found(plan: Sequence[CellPlan], wanted: RunRequest) -> Run:
    task = wanted.task or plan[0].task.name
    regimes = list(dict.fromkeys(str(cell.regime) for cell in plan))
    regime = wanted.regime or regimes[0]
    _one_of("regime", regime, regimes)
    for cell in plan:
        if (cell.approach.name, cell.task.name, str(cell.regime)) == (
            wanted.approach,
            task,
            regime,
        ):
            run = Run(cell, _trial(cell, wanted), wanted.seeds)
            if run not in (known := cell.tested(run.trial)):
                allowed = choose_from([str(one.seeds) for one in known], str(run.seeds))
                raise InputError("seed, order and initialisation", str(run.seeds), allowed)
            return run
    raise InputError("task", task, f"{wanted.approach} is not for such tasks")


def _trial(cell: CellPlan, wanted: RunRequest) -> Trial:
    trials, rate = cell.trials, wanted.learning_rate
    if rate is not None:
        trials = tuple(trial for trial in trials if trial.get("learning_rate") == rate)
        rates = [str(one["learning_rate"]) for one in cell.trials if "learning_rate" in one]
        if not trials:
            raise InputError("learning_rate", rate, choose_from(rates, str(rate)))
    if not 0 <= wanted.trial < len(trials):
        raise InputError("trial", wanted.trial, f"there are trials 0 to {len(trials) - 1}")
    return trials[wanted.trial]


def _share(run: Run, vmapped: bool) -> Shard:
    """As a sweep has it; where a cohort runs as one program the run is a cohort of its own."""
    if vmapped:
        return Shard((run,), (run,))
    groups = run.cell.groups(run.trial)
    found = (share for runs in groups for share in shards(runs, vmapped))
    return next(share for share in found if run in share.runs)
