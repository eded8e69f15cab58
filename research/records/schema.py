"""The record of a run: a typed form of `runs/<id>.json`, with one reader and one writer.

The id of a run is the hash of its settings, so a finished run is found by its settings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from research.common.config import build, non_default
from research.common.errors import InputError
from research.common.hashing import canonical
from research.experiments.seeds import Seeds
from research.records.configuration import Configuration, Provenance
from research.records.costs import Costs
from research.records.json_data import to_json
from research.records.measurements import (
    BackboneReference,
    DataChecksums,
    Evaluation,
    Forgetting,
    Notes,
    Robustness,
)

SCHEMA_VERSION = 1
UNTESTED = ("train", "dev")  # splits that have metrics and no stored predictions

Metrics = Mapping[str, float | None]
CellKey = tuple[str, str, str]  # approach, task, regime


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
        backbone: the backbone; None for a row that does not use it.
        cohort: id of the cohort; None for a row without the backbone.
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
        trained: sha256 of the file of trained leaves; None where the sweep did not keep them.
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

    @cached_property
    def trial_key(self) -> str:
        """Canonical JSON of the trial, equal for equal trials."""
        return canonical(self.trial)

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

    @property
    def model_bytes(self) -> int | None:
        """Bytes of all parameters at inference in float32, those of the backbone included.

        Of a baseline the bytes that it stores; None where they were not recorded.
        """
        if self.backbone is None:
            return self.costs.stored_bytes if self.configuration.approach.get("baseline") else None
        if self.backbone.parameters is None or self.costs.added_params is None:
            return None
        return 4 * (self.backbone.parameters + self.costs.added_params)

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


def prediction_file(run_id: str, split: str) -> str:
    """The file of a run's predictions on a split, relative to the results folder."""
    return f"predictions/{run_id}.csv" if split == "test" else f"predictions/{run_id}.{split}.csv"


def _history(stages: Any, source: str) -> tuple[tuple[Evaluation, ...], ...]:
    try:
        return tuple(tuple(Evaluation(*row) for row in stage) for stage in stages)
    except TypeError as error:
        allowed = f"rows of {', '.join(Evaluation._fields)} by stage are expected"
        raise InputError(source, stages, allowed) from error
