"""The record of a run: a typed form of `runs/<id>.json`, with one reader and one writer.

The id of a run is the hash of its settings, so a finished run is found by its settings.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np

from research.common.config import build, non_default
from research.common.errors import InputError
from research.common.json_io import parse_json
from research.experiments.seeds import Seeds
from research.stats.groups import GroupScore

SCHEMA_VERSION = 1
UNTESTED = ("train", "dev")  # splits that have metrics and no stored predictions

Metrics = Mapping[str, float | None]
CellKey = tuple[str, str, str]  # approach, task, regime


class Evaluation(NamedTuple):
    """One evaluation during training.

    Attributes:
        step: number of training steps of the stage so far.
        train_loss: mean training loss since the evaluation before; None where it is not finite.
        dev_score: the task's metric on dev.
        dev_loss: loss on dev.
    """

    step: int
    train_loss: float | None
    dev_score: float | None
    dev_loss: float | None


@dataclass(frozen=True)
class StepMemory:
    """Memory of the compiled training step, in bytes, of the stage that needs most.

    Attributes:
        argument_bytes: weights, optimizer state and batch.
        output_bytes: what the step returns.
        temporary_bytes: activations, gradients and other temporaries.
        alias_bytes: outputs that reuse the memory of arguments.
        optimizer_bytes: the optimizer state among the arguments.
    """

    optimizer_bytes: int
    argument_bytes: int | None = None
    output_bytes: int | None = None
    temporary_bytes: int | None = None
    alias_bytes: int | None = None

    @property
    def weights(self) -> int | None:
        """Bytes of the weights, with the batch, which is small beside them."""
        if self.argument_bytes is None:
            return None
        return self.argument_bytes - self.optimizer_bytes

    @property
    def activations(self) -> int | None:
        """Bytes of activations, gradients and all else that the step needs at once."""
        outputs, temporaries, aliases = self.output_bytes, self.temporary_bytes, self.alias_bytes
        if outputs is None or temporaries is None or aliases is None:
            return None
        return outputs + temporaries - aliases


@dataclass(frozen=True)
class Costs:
    """Costs of a run. A cost is None where it was not measured or does not apply.

    Attributes:
        trained_params: number of parameters that training changes.
        stored_bytes: bytes to keep per task beside the backbone, in float32.
        added_tokens: tokens added to each input.
        train_seconds: all training steps, without compilation and evaluation.
        evaluation_seconds: scoring dev during training.
        compile_seconds: compilation, shared by the runs of the shard.
        compile_cache_hits: programs found in the compilation cache.
        sweep_seconds: the whole shard from start to end.
        switch_seconds: moving the stored leaves from host memory to the devices.
        added_params: parameters beside the backbone at inference.
        step_flops: FLOPs of the widest step of the last stage, counted by XLA.
        train_flops: FLOPs of all training steps, as if every batch were the widest.
        formula_flops: FLOPs of the same step by formula.
        peak_bytes: peak memory of the compiled step of one run.
        memory: the parts of that peak.
        request_tokens: tokens before the answer, mean over the test items.
        cache_bytes: keys and values of a request, mean over the test items.
    """

    trained_params: int
    stored_bytes: int
    added_tokens: int
    train_seconds: float | None = None
    evaluation_seconds: float | None = None
    compile_seconds: float | None = None
    compile_cache_hits: int | None = None
    sweep_seconds: float | None = None
    switch_seconds: float | None = None
    added_params: int | None = None
    step_flops: float | None = None
    train_flops: float | None = None
    formula_flops: float | None = None
    peak_bytes: int | None = None
    memory: StepMemory | None = None
    request_tokens: float | None = None
    cache_bytes: int | None = None

    @property
    def all_train_seconds(self) -> float | None:
        """Seconds of training, of scoring dev and of compilation, as far as they are known."""
        if self.train_seconds is None:
            return None
        return self.train_seconds + (self.evaluation_seconds or 0) + (self.compile_seconds or 0)


@dataclass(frozen=True)
class SoftPromptNote:
    """The trained soft prompt compared with the token embeddings.

    Attributes:
        nearest: for each vector the tokens with the largest cosine; None for a row of the table
            that is no token.
        cosine: their cosines.
        norms: norm of each vector.
        vocabulary_norms: 5th, 50th and 95th percentile of the norms of token embeddings.
    """

    nearest: tuple[tuple[str | None, ...], ...]
    cosine: tuple[tuple[float, ...], ...]
    norms: tuple[float, ...]
    vocabulary_norms: tuple[float, ...]


@dataclass(frozen=True)
class Notes:
    """Facts about the data and the training of a run.

    Attributes:
        n_dev: number of dev examples.
        dropped: training examples left out since their text is in dev or test.
        demonstrations: demonstrations in each prompt.
        cut: texts truncated to fit the context.
        cut_beside_test: the same for further test splits, by split.
        steps: steps of each stage until training stopped.
        best_step: the step of each stage whose parameters were kept.
        not_learned: a sentence where the dev score is no better than without training.
        prompt: description of the trained soft prompt.
    """

    n_dev: int
    dropped: int = 0
    demonstrations: int = 0
    cut: int = 0
    cut_beside_test: Mapping[str, int] = field(default_factory=dict)
    steps: tuple[int, ...] = ()
    best_step: tuple[int, ...] = ()
    not_learned: str | None = None
    prompt: SoftPromptNote | None = None


@dataclass(frozen=True)
class DataChecksums:
    """Checksums of the task's data and of the run's train and dev examples."""

    task_checksum: str
    split_checksum: str


@dataclass(frozen=True)
class BackboneReference:
    """Name of a backbone and checksum of its files."""

    name: str
    checksum: str


@dataclass(frozen=True)
class Robustness:
    """How evenly a run does over the test items.

    Attributes:
        groups: score of each group of test items, by kind of group and name.
        paraphrases: share of predictions that stay the same on paraphrased inputs.
    """

    groups: Mapping[str, Mapping[str, GroupScore]] = field(default_factory=dict)
    paraphrases: float | None = None


@dataclass(frozen=True)
class Forgetting:
    """Losses on plain text, in nats per token; or the reason why there are none.

    Attributes:
        before: loss of the unadapted backbone on held-out text.
        after: loss of the adapted backbone on the same text.
        removable: whether removing the method's own parameters restores the backbone.
        task: loss of the unadapted backbone on the task's inputs.
        as_long: its loss on held-out passages of the same lengths.
        undefined: why no loss is defined.
    """

    before: float | None = None
    after: float | None = None
    removable: bool | None = None
    task: float | None = None
    as_long: float | None = None
    undefined: str | None = None

    @property
    def rise(self) -> float | None:
        """By how much the loss on held-out text has risen; None where it was not measured."""
        return None if self.before is None or self.after is None else self.after - self.before


@dataclass(frozen=True)
class Order:
    """Position of the run's approach, task and regime in the experiment."""

    approach: int
    task: int
    regime: int


@dataclass(frozen=True)
class StageSummary:
    """The part of a stage's configuration that tables need.

    Attributes:
        methods: names of the methods trained together.
        steps: training steps at most.
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
        approach: configuration of the approach with the trial's values.
        trials: all trials of the cell.
        seeds: number of seeds that the chosen trial is run with.
        search_seeds: number of seeds that every trial is run with.
        crossed_seeds: side of the Latin square of crossed seeds, 0 for none.
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

    def __post_init__(self) -> None:
        try:
            self.stages  # noqa: B018
        except (KeyError, TypeError) as error:
            raise InputError("approach", self.approach, "stages of an approach") from error

    @property
    def baseline(self) -> str | None:
        """Name of the baseline; None for an approach with the backbone."""
        return self.approach.get("baseline")

    @cached_property
    def stages(self) -> tuple[StageSummary, ...]:
        """The stages of the approach."""
        return tuple(map(_stage, self.approach.get("stages", ())))


@dataclass(frozen=True)
class GitState:
    """The commit of the code, and whether the package differs from it."""

    commit: str
    dirty: bool


@dataclass(frozen=True)
class Hardware:
    """The machine of a run, its JAX devices, and the environment's XLA flags."""

    platform: str
    processor: str
    cores: int | None
    memory_bytes: int | None
    device_kind: str
    device_count: int
    xla_flags: tuple[str, ...] = ()


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


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """All that is stored about one run, apart from its predictions.

    Attributes:
        run_id: hash of `settings`.
        approach: name of the approach.
        task: name of the task.
        regime: the regime, such as `16-shot`.
        n_train: number of training examples.
        trial: the trial's values, by name.
        seeds: seed of each source of randomness.
        metric: the task's headline metric.
        labels: class names; empty where answers are texts or numbers.
        status: whether training finished or diverged.
        metrics: metrics of each split that was scored, by split and name.
        costs: measured costs.
        notes: facts about data and training.
        data: checksums of the data.
        backbone: the backbone; None for a baseline.
        cohort: id of the cohort; None for a baseline.
        history: evaluations during training, by stage.
        robustness: results by group of test items; None before test.
        forgetting: losses on plain text; None where the experiment has no held-out text.
        settings: the settings that are not at their default, and checksums of inputs.
        configuration: the complete configuration.
        code_version: version of the code's numbers.
        metric_version: version of the metrics.
        provenance: libraries, commit and machine.
        created: when training ended, ISO 8601 in UTC.
        predictions: sha256 of the file of predictions, by test split.
        trained: sha256 of the file of trained leaves; None where it was not kept.
    """

    run_id: str
    approach: str
    task: str
    regime: str
    n_train: int
    trial: Mapping[str, Any]
    seeds: Seeds
    metric: str
    labels: tuple[str, ...]
    status: Literal["finished", "diverged"]
    metrics: Mapping[str, Metrics]
    costs: Costs
    notes: Notes
    data: DataChecksums
    backbone: BackboneReference | None = None
    cohort: str | None = None
    history: tuple[tuple[Evaluation, ...], ...] = ()
    robustness: Robustness | None = None
    forgetting: Forgetting | None = None
    settings: Mapping[str, Any]
    configuration: Configuration
    code_version: int
    metric_version: int
    provenance: Provenance
    created: str
    predictions: Mapping[str, str] = field(default_factory=dict)
    trained: str | None = None

    @property
    def seed(self) -> int:
        """The seed of the sample, which in an ordinary run is that of every source."""
        return self.seeds.sample

    @property
    def crossed(self) -> bool:
        """Whether the sources of randomness have different seeds."""
        return self.seeds != Seeds.alike(self.seed)

    @property
    def cell(self) -> CellKey:
        """The cell of the run: approach, task and regime."""
        return self.approach, self.task, self.regime

    @property
    def diverged(self) -> bool:
        """Whether training diverged."""
        return self.status == "diverged"

    @property
    def tested(self) -> bool:
        """Whether the run was evaluated on test."""
        return "test" in self.metrics

    @property
    def device_count(self) -> int:
        """Number of devices that the run used."""
        return self.configuration.devices.get("count") or self.provenance.hardware.device_count

    def score(self, split: str) -> float | None:
        """The headline metric on a split; None where it was not scored."""
        return self.metrics.get(split, {}).get(self.metric)

    @classmethod
    def from_json(cls, content: Any, source: str) -> "RunRecord":
        """The record of a JSON object, every field checked.

        Raises InputError, which names `source` and the field, for another schema version and for
        an unknown, missing or wrongly typed field.
        """
        if not isinstance(content, dict):
            raise InputError(source, content, "a run record is a JSON object")
        version = content.get("schema_version")
        if version != SCHEMA_VERSION:
            allowed = f"this code reads schema version {SCHEMA_VERSION}; run the sweep again"
            raise InputError(f"{source}: schema_version", version, allowed)
        fields = {name: value for name, value in content.items() if name != "schema_version"}
        history = _history(fields.get("history", []), f"{source}: history")
        return build(cls, {**fields, "history": history}, f"{source}: record")

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the record, without the fields that have their default value."""
        return {"schema_version": SCHEMA_VERSION, **to_json(non_default(self))}


def to_json(value: Any) -> Any:
    """JSON data: numpy scalars become numbers, tuples lists, non-finite numbers None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value


def parse_strict_json(content: bytes) -> Any:
    """The JSON value; raises ValueError for NaN and infinities too, which JSON does not have."""
    return parse_json(content, parse_constant=_refuse)


def prediction_file(run_id: str, split: str) -> str:
    """The file of a run's predictions on a split, relative to the results folder."""
    return f"predictions/{run_id}.csv" if split == "test" else f"predictions/{run_id}.{split}.csv"


def _stage(stage: Mapping[str, Any]) -> StageSummary:
    methods = stage["methods"] if stage.get("methods") else [stage["method"]]
    schedule = stage["schedule"]
    names = tuple(method["name"] for method in methods)
    return StageSummary(names, schedule["steps"], schedule["batch_size"], stage.get("task"))


def _history(stages: Any, source: str) -> tuple[tuple[Evaluation, ...], ...]:
    try:
        return tuple(tuple(Evaluation(*row) for row in stage) for stage in stages)
    except TypeError as error:
        allowed = f"rows of {', '.join(Evaluation._fields)} by stage are expected"
        raise InputError(source, stages, allowed) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
