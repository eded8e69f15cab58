"""Resources and caches that all runs of an experiment share."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax.numpy as jnp

from research.common.paths import resolve_path
from research.common.tokenizer import Tokenizer
from research.evaluation.cached_predictor import CachedPredictor, SharedPredictor
from research.evaluation.predictor import Predictor
from research.evaluation.result_cache import ResultCache
from research.evaluation.trunk.store import StateStore
from research.evaluation.trunk.trunk import Trunk
from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.experiments.scorings import chat_plan, scorings
from research.methods.shared.leaves import head_leaves
from research.models.backbone import Backbone, load_backbone, load_tokenizer
from research.records.metrics_log import MetricsLog
from research.runs.held_out_text import read_held_out
from research.runs.stage_cache import StageCache
from research.runs.trained_leaves import TrainedLeaves
from research.runtime.devices import Devices
from research.runtime.memo import Memo
from research.runtime.threads import use_threads
from research.tasks.task import Task


@dataclass(frozen=True)
class RunCaches:
    """Values that several runs of an experiment have in common.

    Attributes:
        answers: answers of the unadapted backbone, by a hash of all that they depend on.
        losses: language-model losses of the unadapted backbone.
        data: encoded data of runs.
        batch_shapes: shapes of the batches of a cohort's stage.
        compiled: stages of cohorts whose programs are compiled already.
    """

    answers: Memo = field(default_factory=Memo)
    losses: Memo = field(default_factory=Memo)
    data: Memo = field(default_factory=partial(Memo, 16))
    batch_shapes: Memo = field(default_factory=partial(Memo, 64))
    compiled: Memo = field(default_factory=Memo)


@dataclass(frozen=True)
class RunContext:
    """The resources that all runs of an experiment share.

    Attributes:
        backbone: model, leaves and checksum of the backbone.
        tokenizer: its tokenizer.
        devices: the devices to train and predict on.
        dtype: dtype of the computation.
        checkpoints: folder of the checkpoints and of the trained leaves of finished runs.
        stage_cache: outcomes of stages that several runs start from.
        metrics_log: log of metrics during training.
        held_out: token ids of the text that forgetting is measured on; None for no such text.
        caches: values that several runs have in common.
        trunk: keeps hidden states below the trained leaves; None to compute them each time.
    """

    backbone: Backbone
    tokenizer: Tokenizer
    devices: Devices
    dtype: Any
    checkpoints: Path
    stage_cache: StageCache
    metrics_log: MetricsLog
    held_out: list[int] | None = None
    caches: RunCaches = field(default_factory=RunCaches)
    trunk: Trunk | None = None

    def cells(self, experiment: Experiment, tasks: Mapping[str, Task]) -> list[CellPlan]:
        """The cells of the experiment with this backbone; tasks: the loaded tasks by name."""
        backbone = self.backbone
        # Rows without training; a row on an encoder without a masked-LM head brings its own head.
        route = "head" if head_leaves(backbone.params) else backbone.model.ROUTE
        ways = {name: scorings(task, self.tokenizer, route) for name, task in tasks.items()}
        chat = chat_plan(tasks, self.tokenizer, route)
        return list(cells(experiment, tasks, backbone.checksum, ways, backbone.parameters, chat))

    @property
    def predictor(self) -> Predictor:
        """Predictions of the backbone on the experiment's devices."""
        return Predictor(self.backbone.model, self.devices, self.dtype, trunk=self.trunk)

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self.checkpoints.parent

    @property
    def trained_leaves(self) -> TrainedLeaves:
        """The leaves of finished runs, beside the checkpoints of those in training."""
        return TrainedLeaves(self.checkpoints)

    @property
    def unadapted_predictor(self) -> Predictor:
        """Predictions of the unadapted backbone, each computed once."""
        return SharedPredictor(
            self.backbone.model,
            self.devices,
            self.dtype,
            self.caches.answers,
            trunk=self.trunk,
        )

    def adapted_predictor(self, results: ResultCache) -> Predictor:
        """Predictions of one adapted backbone with these results, each computed once."""
        return CachedPredictor(
            self.backbone.model, self.devices, self.dtype, results, trunk=self.trunk
        )

    def clear(self) -> None:
        """Removes kept hidden states, and the folders of checkpoints and stages if empty."""
        if self.trunk is not None and self.trunk.store.folder is not None:
            shutil.rmtree(self.trunk.store.folder, ignore_errors=True)
        for folder in (self.checkpoints, self.stage_cache.folder):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()


def open_context(experiment: Experiment, folder: Path) -> RunContext:
    """Loads the resources of the runs of a results folder. Raises InputError."""
    use_threads(experiment.devices.threads)
    path = resolve_path(experiment.backbone, "config.backbone")
    mesh = experiment.devices.mesh() if experiment.devices.fsdp > 1 else None
    loaded = load_backbone(path, mesh=mesh)
    model = loaded.model.with_layers(experiment.devices.layers)
    backbone = replace(loaded, name=experiment.backbone, model=model)
    tokenizer, source = load_tokenizer(path, backbone.model), experiment.held_out
    return RunContext(
        backbone=backbone,
        tokenizer=tokenizer,
        devices=experiment.devices,
        dtype=jnp.dtype(experiment.precision),
        checkpoints=folder / "checkpoints",
        stage_cache=StageCache(folder / "stages"),
        metrics_log=MetricsLog(folder, experiment.tensorboard),
        held_out=None if source is None else read_held_out(source, tokenizer),
        trunk=_trunk(experiment, backbone, folder),
    )


def _trunk(experiment: Experiment, backbone: Backbone, folder: Path) -> Trunk | None:
    """The trunk that the runs of a results folder share; None if the experiment wants none."""
    devices, store = experiment.devices, experiment.devices.trunk_gib * 2**30
    if not store:
        return None
    return Trunk(
        model=backbone.model,
        dtype=jnp.dtype(experiment.precision),
        devices=devices,
        params=backbone.params,
        checksum=backbone.checksum,
        store=StateStore(folder / "trunk", int(store)),
    )
