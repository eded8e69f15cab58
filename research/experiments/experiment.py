"""The configuration of an experiment: backbones, tasks, regimes and approaches."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from research.common.config import build
from research.common.errors import InputError, check_choice, check_whole, choose_from
from research.experiments.approach import BASELINE_ROWS, Approach
from research.experiments.experiment_fields import experiment_fields
from research.experiments.prices import Prices
from research.runtime.devices import Devices
from research.tasks.encoding.special_tokens import Bos
from research.tasks.encoding.truncation import TooLong
from research.tasks.sampling import Regime
from research.tasks.task_settings import TaskSettings
from research.training.optimizer import Schedule

MOST_SEEDS = 1000


@dataclass(frozen=True)
class Experiment:
    """The configuration of an experiment.

    Attributes:
        name: name of the results folder.
        backbone: folder or Hugging Face id of the pretrained model; of several, one, see
            `by_backbone`.
        tasks: settings of the tasks, from `TASKS`.
        regimes: amounts of training data, such as `16-shot` or `500`.
        approaches: the approaches to compare; baselines are added to them.
        schedule: the training schedule of all stages, where a stage does not set its own.
        stage_tasks: settings of further tasks that stages train on and no table row is scored on.
        approaches_on: approaches by task, for tasks with another schedule or other prompts;
            `schedules` and `prompts` in a config.
        seeds: number of seeds of the chosen trial.
        search_seeds: number of seeds of every trial; they are the first of `seeds`.
        crossed_seeds: number of seeds of sample, order and initialisation that are varied apart
            from each other in further runs of the chosen trial (see
            `research.experiments.seeds.latin_square`); 0 for none.
        max_dev: maximum number of dev examples.
        score_train: whether approaches without training are scored on training examples too; those
            that train always are. Not part of a run's id.
        max_tokens: maximum tokens of a row, without those that methods add; None for as many as
            the context holds.
        too_long: whether a text that does not fit is an error or is cut.
        bos: whether BOS stands before every row of a decoder: as the tokenizer puts it before a
            text, always or never.
        precision: dtype of the computation; trained leaves stay float32.
        held_out: a text file like the pretraining data, or `world`, on which forgetting is measured
            after test; not part of a run's id.
        devices: the devices to train on.
        workers: number of cells that run at the same time; None for one per core on CPU, at most
            4, and one elsewhere.
        keep_trained: whether the trained leaves of tested runs are kept for export, except for
            runs with crossed seeds.
        tensorboard: whether metrics are written for TensorBoard too; not part of a run's id.
        architecture: fields of the backbone's config.json, for a dry run without its folder.
        price_per_hour: price of a device hour in the cost table; None for no such column.
        price_per_example: price of a labelled example in the cost table; None for no such column.
        backbones: all backbones in a comparison of several, each with every approach; empty for
            one.

    Raises InputError for counts that are out of range and for rows that share a name.
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
    score_train: bool = False
    max_tokens: int | None = None
    too_long: TooLong = "error"
    bos: Bos = "tokenizer"
    precision: Literal["float32", "bfloat16"] = "float32"
    held_out: str | None = None
    devices: Devices = Devices()
    workers: int | None = None
    keep_trained: bool = False
    tensorboard: bool = False
    architecture: Mapping[str, Any] | None = None
    price_per_hour: float | None = None
    price_per_example: float | None = None
    backbones: tuple[str, ...] = ()

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> "Experiment":
        """Parses the plain data of a config, in which `task` stands for `tasks` with one task, and
        `backbone` for `backbones` with one backbone.

        `prompt` has fields of the prompts of all rows, `prompts` and `schedules` fields by task.
        Raises InputError for invalid values.
        """
        return build(cls, experiment_fields(config), "config")

    def __post_init__(self) -> None:
        printable = self.name.strip() and self.name.isprintable()
        if not printable or set(self.name) & set("/\\") or self.name in (".", ".."):
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
        self._check_backbones()
        for field_name, names in (
            ("approaches", [row.name for row in self.rows]),
            ("tasks", [task.name for task in self.all_tasks]),
            ("regimes", [str(Regime.parse(regime)) for regime in self.regimes]),
        ):
            if not names:
                raise InputError(field_name, names, "at least one is expected")
            for name in names:
                if not name.strip() or names.count(name) > 1:
                    raise InputError(field_name, name, "each needs a name of its own")

    def _check_stages(self) -> None:
        for approach in self.approaches:
            for stage in approach.stages:
                names = [task.name for task in self.all_tasks]
                if stage.task is not None and stage.task not in names:
                    raise InputError("stages.task", stage.task, choose_from(names, stage.task))
        names = [task.name for task in self.tasks]
        for name in self.approaches_on:
            check_choice("schedules", name, names)

    def _check_backbones(self) -> None:
        for name in self.backbones:
            if not name.strip() or self.backbones.count(name) > 1:
                raise InputError("backbones", name, "each needs a name of its own")
        if self.backbones:
            check_choice("backbone", self.backbone, self.backbones)
            if self.architecture is not None:
                allowed = f"it describes one backbone, and there are {len(self.backbones)}"
                raise InputError("architecture", dict(self.architecture), allowed)

    @property
    def by_backbone(self) -> tuple["Experiment", ...]:
        """The part of the experiment with each backbone; of one backbone the experiment itself."""
        return tuple(replace(self, backbone=name) for name in self.backbones) or (self,)

    @property
    def prices(self) -> Prices:
        """The prices that the user has set."""
        return Prices(self.price_per_hour, self.price_per_example)

    @property
    def all_tasks(self) -> tuple[TaskSettings, ...]:
        """The tasks that rows are scored on and those that only stages train on."""
        return (*self.tasks, *self.stage_tasks)

    @property
    def input_settings(self) -> dict[str, int | str]:
        """max_tokens and bos by name where they are set; part of the settings of a run."""
        settings = {"max_tokens": (self.max_tokens, None), "bos": (self.bos, "tokenizer")}
        return {name: value for name, (value, default) in settings.items() if value != default}

    @property
    def crossed_at(self) -> dict[str, int]:
        """crossed_seeds by name if it is set."""
        return {"crossed_seeds": self.crossed_seeds} if self.crossed_seeds else {}

    @property
    def is_first(self) -> bool:
        """Whether this is the first backbone's part, with the rows that use no backbone."""
        return not self.backbones or self.backbone == self.backbones[0]

    @property
    def rows(self) -> tuple[Approach, ...]:
        """The approaches, followed by the baselines of all kinds of tasks."""
        return (*self.approaches, *BASELINE_ROWS)

    def rows_on(self, task: str) -> tuple[Approach, ...]:
        """The rows with the schedule of a task."""
        return (*self.approaches_on.get(task, self.approaches), *BASELINE_ROWS)
