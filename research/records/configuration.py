"""Parts of a run record: configuration, and the code and machine of the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from research.common.errors import InputError
from research.evaluation.answer_sources import ANSWER_SOURCES


@dataclass(frozen=True)
class Order:
    """Position of the run in the experiment.

    Attributes:
        approach: index of the approach.
        task: index of the task.
        regime: index of the regime.
    """

    approach: int
    task: int
    regime: int


@dataclass(frozen=True)
class StageSummary:
    """The part of a stage's configuration that tables need.

    Attributes:
        methods: names of the methods trained together.
        steps: maximum number of training steps.
        batch_size: rows of a batch.
        task: another task that the stage trains on; None for the run's own.
    """

    methods: tuple[str, ...]
    steps: int
    batch_size: int
    task: str | None = None


@dataclass(frozen=True)
class Configuration:
    """The complete configuration of the experiment for this run, defaults included.

    Attributes:
        name: name of the experiment.
        backbone: the backbone of the run's part of the experiment.
        seeds: number of seeds that the chosen trial is run with.
        search_seeds: number of seeds that every trial is run with.
        max_dev: maximum number of dev examples.
        too_long: whether a text that does not fit is an error or is cut.
        precision: dtype of the computation.
        max_tokens: maximum tokens of a row; None for the context.
        held_out: the held-out text; None for none.
        devices: settings of the devices.
        task: settings of the task.
        approach: configuration of the approach with the trial's values.
        trials: all trials of the cell.
        order: position of the run in the experiment.
        crossed_seeds: side of the Latin square of crossed seeds; 0 for none.
        bos: whether BOS stands before rows, see `Experiment`.
        backbones: all backbones of the experiment if there are several; empty for one.
    """

    name: str
    backbone: str
    seeds: int
    search_seeds: int
    max_dev: int
    too_long: str
    precision: str
    max_tokens: int | None
    held_out: str | None
    devices: Mapping[str, Any]
    task: Mapping[str, Any]
    approach: Mapping[str, Any]
    trials: tuple[Mapping[str, Any], ...]
    order: Order
    crossed_seeds: int = 0
    bos: str = "tokenizer"
    backbones: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        try:
            self.stages  # noqa: B018
        except (KeyError, TypeError) as error:
            raise InputError("approach", self.approach, "stages of an approach") from error

    @property
    def uses_backbone(self) -> bool:
        """Whether the backbone answers; else a baseline or an external model does."""
        return all(self.approach.get(name) is None for name in ANSWER_SOURCES)

    @property
    def external(self) -> bool:
        """Whether an external model answers, of which little is known."""
        return not self.uses_backbone and self.approach.get("baseline") is None

    @cached_property
    def stages(self) -> tuple[StageSummary, ...]:
        """The stages of the approach."""
        return tuple(map(_stage, self.approach.get("stages", ())))


def _stage(stage: Mapping[str, Any]) -> StageSummary:
    methods = stage["methods"] if stage.get("methods") else [stage["method"]]
    schedule = stage["schedule"]
    names = tuple(method["name"] for method in methods)
    return StageSummary(names, schedule["steps"], schedule["batch_size"], stage.get("task"))


@dataclass(frozen=True)
class GitState:
    """The state of the repository.

    Attributes:
        commit: the commit of the code.
        dirty: whether the package differs from it.
    """

    commit: str
    dirty: bool


@dataclass(frozen=True)
class Hardware:
    """The machine of a run, its JAX devices, and the environment's XLA flags.

    Attributes:
        platform: operating system and architecture.
        processor: model name of the processor.
        cores: number of cores of the machine.
        memory_bytes: memory of the machine.
        device_kind: kind of the JAX devices.
        device_count: number of JAX devices.
        xla_flags: the flags in the environment variable XLA_FLAGS.
        threads: number of threads that the run computed with on CPU; None on another device.
    """

    platform: str
    processor: str
    cores: int | None
    memory_bytes: int | None
    device_kind: str
    device_count: int
    xla_flags: tuple[str, ...] = ()
    threads: int | None = None


@dataclass(frozen=True)
class Provenance:
    """Library versions, commit and machine of a run.

    Attributes:
        libraries: version by library; None for one that is not installed.
        git: state of the repository; None where the code is in none.
        hardware: the machine.
    """

    libraries: Mapping[str, str | None]
    git: GitState | None
    hardware: Hardware
