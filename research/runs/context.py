"""What all runs of an experiment work with."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp
from transformers import PreTrainedTokenizerBase

from research.common.paths import resolve_path
from research.evaluation.predictor import Predictor
from research.experiments.experiment import Experiment
from research.models.backbone import Backbone, load_backbone, load_tokenizer
from research.records.metrics_log import MetricsLog
from research.runs.held_out_text import read_held_out
from research.runs.stage_cache import StageCache
from research.runs.trained_leaves import TrainedLeaves
from research.runtime.devices import Devices


class Memo:
    """Values that are computed once, whichever thread asks first; the others wait.

    most: how many are kept, the latest; None for all.
    """

    def __init__(self, most: int | None = None) -> None:
        self._values: dict[Hashable, Any] = {}
        self._lock, self._most = threading.Lock(), most

    def __call__(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """The value of `key`, by `compute` if it is the first time."""
        with self._lock:
            value = self._values.pop(key) if key in self._values else compute()
            self._values[key] = value  # last, so that the first is the one longest not asked for
            if self._most is not None and len(self._values) > self._most:
                del self._values[next(iter(self._values))]
            return value


@dataclass(frozen=True)
class RunContext:
    """What all runs of an experiment share. held_out: ids of the text that general ability is
    measured on. prompted: what was answered without training, which many seeds, regimes and rows
    have in common. once: what else they have in common. data, shapes: the encoded data of runs, and
    what the batches of cohorts have in common, as last used. ahead: cohorts, and stages of theirs,
    whose programs are compiled.
    """

    backbone: Backbone
    tokenizer: PreTrainedTokenizerBase
    devices: Devices
    dtype: Any
    checkpoints: Path
    stage_cache: StageCache
    metrics_log: MetricsLog
    held_out: list[int] | None = None
    prompted: dict[bytes, Any] = field(default_factory=dict)
    memo: Memo = field(default_factory=Memo)
    ahead: set[Hashable] = field(default_factory=set)
    data: Memo = field(default_factory=partial(Memo, 16))
    shapes: Memo = field(default_factory=partial(Memo, 64))

    @property
    def predictor(self) -> Predictor:
        """Predictions of the backbone on the experiment's devices."""
        return Predictor(self.backbone.model, self.devices, self.dtype)

    @property
    def trained_leaves(self) -> TrainedLeaves:
        """The leaves of finished runs, beside the checkpoints of those in training."""
        return TrainedLeaves(self.checkpoints)

    def clear(self) -> None:
        """Removes the folders in which runs left nothing behind."""
        for folder in (self.checkpoints, self.stage_cache.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def open_context(experiment: Experiment, folder: Path) -> RunContext:
    """Loads what the runs work with; results lie in `folder`. Raises InputError."""
    folder_or_id = resolve_path(experiment.backbone, "config.backbone")
    mesh = experiment.devices.mesh() if experiment.devices.fsdp > 1 else None
    backbone = replace(load_backbone(folder_or_id, mesh=mesh), name=experiment.backbone)
    tokenizer, source = load_tokenizer(folder_or_id, backbone.model), experiment.held_out
    return RunContext(
        backbone,
        tokenizer,
        experiment.devices,
        jnp.dtype(experiment.precision),
        folder / "checkpoints",
        StageCache(folder / "stages"),
        MetricsLog(folder, experiment.tensorboard),
        None if source is None else read_held_out(source, tokenizer),
    )
