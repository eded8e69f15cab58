"""An experiment: a backbone, tasks, regimes and approaches, and what they have in common."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from research.common.config import build, build_named, resolved
from research.common.errors import InputError, check_whole, choose_from
from research.experiments.approach import BASELINE_ROWS, Approach
from research.experiments.prices import Prices
from research.runtime.devices import Devices
from research.tasks import TASKS
from research.tasks.sampling import Regime
from research.tasks.task import TaskSettings
from research.training.optimizer import Schedule

MOST_SEEDS = 1000


@dataclass(frozen=True)
class Experiment:
    """name: of the results folder. backbone: a folder or hub id. tasks: settings of `TASKS`;
    stage_tasks: of those that stages train on and no row is scored on. regimes: such as `16-shot`
    or `500`. approaches_on: the approaches of tasks, by name, whose schedule is another one; in a
    config `schedules`. seeds: runs of a cell's chosen trial, of which the first `search_seeds` run
    for every trial. crossed_seeds: of sample, order and initialisation, varied apart in further
    runs of the chosen trial (see `research.experiments.seeds.latin_square`), 0 for none. max_dev:
    most dev examples. max_tokens: most tokens of a row, beside those that methods add; None: as
    many as the context holds. too_long: what happens to a text that does not fit. precision: of the
    computation; trained leaves stay float32. held_out: a text file of the backbone's own kind, or
    `world`, on which tested runs show what is left of general ability; no part of a run's id.
    workers: how many cells run at the same time; None: one per core on CPU, at most 4, else one.
    keep_trained: whether the trained leaves of the ordinary runs that see test are kept, for
    export. tensorboard: whether metrics are written for it beside the JSON lines; no part of a
    run's id. architecture: fields of the backbone's config.json, from which a plan is made where it
    is no folder. price_per_hour, price_per_example: of a device and of a label, for the cost
    ledger; None: no such column.
    Raises InputError for counts that make no sense and rows that share a name.
    """

    name: str
    backbone: str
    tasks: tuple[TaskSettings, ...]
    regimes: tuple[str | int, ...]
    approaches: tuple[Approach, ...]
    schedule: Schedule = Schedule()
    stage_tasks: tuple[TaskSettings, ...] = ()
    approaches_on: Mapping[str, tuple[Approach, ...]] = field(default_factory=dict)
    seeds: int = 5
    search_seeds: int = 2
    crossed_seeds: int = 0
    max_dev: int = 256
    max_tokens: int | None = None
    too_long: Literal["error", "cut"] = "error"
    precision: Literal["float32", "bfloat16"] = "float32"
    held_out: str | None = None
    devices: Devices = Devices()
    workers: int | None = None
    keep_trained: bool = False
    tensorboard: bool = False
    architecture: Mapping[str, Any] | None = None
    price_per_hour: float | None = None
    price_per_example: float | None = None

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> "Experiment":
        """From a config's plain data, in which `task` is short for `tasks` of one.

        Raises InputError for whatever cannot be understood.
        """
        config = _with_tasks(config)
        schedule = build(Schedule, config.get("schedule", {}), "config.schedule")
        plain = _sequence(config, "approaches")
        parsed = {
            "schedule": schedule,
            "approaches_on": {
                name: _approaches(plain, build(Schedule, {**resolved(schedule), **own}, at))
                for name, own, at in _schedules(config)
            },
            "tasks": _tasks(config, "tasks"),
            "stage_tasks": _tasks({"stage_tasks": (), **config}, "stage_tasks"),
            "approaches": _approaches(plain, schedule),
        }
        rest = {name: value for name, value in config.items() if name != "schedules"}
        return build(cls, {**rest, **parsed}, "config")

    def __post_init__(self) -> None:
        plain = self.name.strip() and self.name.isprintable() and not set(self.name) & set("/\\")
        if not plain or self.name in (".", ".."):
            raise InputError("name", self.name, "the name of a folder is expected")
        check_whole("seeds", self.seeds, most=MOST_SEEDS)
        check_whole("max_dev", self.max_dev)
        if not 1 <= self.search_seeds <= self.seeds:
            allowed = f"1 to seeds={self.seeds} are allowed"
            raise InputError("search_seeds", self.search_seeds, allowed)
        if self.crossed_seeds not in (0, *range(3, self.seeds + 1, 2)):
            allowed = f"0, or an odd number from 3 to seeds={self.seeds}, is allowed"
            raise InputError("crossed_seeds", self.crossed_seeds, allowed)
        for name in ("workers", "max_tokens"):
            if getattr(self, name) is not None:
                check_whole(name, getattr(self, name))
        self._check_stages()
        for name, found in (
            ("approaches", [row.name for row in self.rows]),
            ("tasks", [task.name for task in self.all_tasks]),
            ("regimes", [str(Regime.parse(regime)) for regime in self.regimes]),
        ):
            if not found:
                raise InputError(name, found, "at least one is expected")
            for one in found:
                if not one.strip() or found.count(one) > 1:
                    raise InputError(name, one, "each may stand there once, by its name")

    def _check_stages(self) -> None:
        for approach in self.approaches:
            for stage in approach.stages:
                names = [task.name for task in self.all_tasks]
                if stage.task is not None and stage.task not in names:
                    raise InputError("stages.task", stage.task, choose_from(names, stage.task))
        names = [task.name for task in self.tasks]
        for name in self.approaches_on:
            if name not in names:
                raise InputError("schedules", name, choose_from(names, name))

    @property
    def prices(self) -> Prices:
        """What the user says that things cost."""
        return Prices(self.price_per_hour, self.price_per_example)

    @property
    def all_tasks(self) -> tuple[TaskSettings, ...]:
        """Those that rows are scored on, and those that only stages train on."""
        return (*self.tasks, *self.stage_tasks)

    @property
    def cut_at(self) -> dict[str, int]:
        """max_tokens by its name, if there is such a limit: part of what makes a run."""
        return {} if self.max_tokens is None else {"max_tokens": self.max_tokens}

    @property
    def crossed_at(self) -> dict[str, int]:
        """crossed_seeds by its name, if there are some."""
        return {"crossed_seeds": self.crossed_seeds} if self.crossed_seeds else {}

    @property
    def rows(self) -> tuple[Approach, ...]:
        """The approaches, and below them the baselines of either kind of task."""
        return (*self.approaches, *BASELINE_ROWS)

    def rows_on(self, task: str) -> tuple[Approach, ...]:
        """The rows as a task has them."""
        return (*self.approaches_on.get(task, self.approaches), *BASELINE_ROWS)


def _with_tasks(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """`task` is there because a command line cannot reach into the sequence `tasks`."""
    if "task" not in config:
        return config
    if "tasks" in config:
        raise InputError("config.task", config["task"], "either task or tasks, not both")
    return {"tasks": (config["task"],), **{k: v for k, v in config.items() if k != "task"}}


def _tasks(config: Mapping[str, Any], name: str) -> tuple[TaskSettings, ...]:
    return tuple(
        build_named(TASKS, values, f"config.{name}[{i}]", "source")
        for i, values in enumerate(_sequence(config, name))
    )


def _approaches(plain: Sequence[Any], schedule: Schedule) -> tuple[Approach, ...]:
    return tuple(
        Approach.parse(values, schedule, f"config.approaches[{i}]")
        for i, values in enumerate(plain)
    )


def _schedules(config: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any], str]]:
    """(task, the fields of its schedule, where they stand)."""
    values = config.get("schedules", {})
    if not isinstance(values, Mapping):
        raise InputError("config.schedules", values, "a mapping of tasks to schedules is expected")
    found = [(str(name), own, f"config.schedules.{name}") for name, own in values.items()]
    for _, own, at in found:
        if not isinstance(own, Mapping):
            raise InputError(at, own, "a mapping with fields of the schedule is expected")
    return found


def _sequence(config: Mapping[str, Any], name: str) -> tuple[Any, ...] | list[Any]:
    values = config.get(name)
    if not isinstance(values, tuple | list):
        raise InputError(f"config.{name}", values, "a sequence is expected")
    return values
