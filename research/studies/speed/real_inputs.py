"""Inputs from a real model and data set, and from the built-in world."""

import runpy
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from research.common.paths import resolve_path
from research.evaluation.scoring import route_of
from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.methods.method import Method
from research.models.backbone import load_backbone, load_tokenizer, save_backbone
from research.models.bert.model import EncoderModel
from research.runs.encode_data import run_data
from research.studies.speed.case_files import Batches, write_batches
from research.studies.speed.inputs import write_adapters
from research.tasks.datasets.tables import read_file
from research.tasks.encoding.encoded import pad_rows
from research.tasks.encoding.tokenization import token_ids
from research.training.batches import batch_indices

CONFIG = Path(__file__).parents[3] / "configs" / "speed.py"
ROWS, STEPS = 16, 24


def sst2(methods: Sequence[Method], folder: Path) -> None:
    """Writes MiniLM with a new head and batches of SST-2 rows in random order, unsorted by length.

    Raises InputError where ADAPTLAB_SHARED lacks the model or the data.
    """
    name = resolve_path("$ADAPTLAB_SHARED/models/all-MiniLM-L6-v2", "backbone")
    backbone = load_backbone(name)
    tokenizer = load_tokenizer(name, backbone.model)
    assert isinstance(backbone.model, EncoderModel)
    table = read_file(resolve_path("$ADAPTLAB_SHARED/data/sst2/train.tsv", "task"))
    chosen = np.random.default_rng(0).permutation(len(table.rows))[: ROWS * STEPS]
    texts = [table.column("sentence")[row].strip() for row in chosen]
    labels = [int(table.column("label")[row]) for row in chosen]
    tokens, length = pad_rows(token_ids(tokenizer, texts))
    shape = (STEPS, ROWS)
    batches = Batches(
        tokens.reshape(*shape, -1),
        length.reshape(shape),
        length.reshape(shape),
        np.array(labels, np.int32).reshape(shape),
        np.array([tokenizer.cls_token_id], np.int32),
        np.array([tokenizer.sep_token_id], np.int32),
        np.zeros((0, 0), np.int32),
    )
    write_batches(folder, batches)
    save_backbone(folder / "model", backbone.model, backbone.params)
    write_adapters(folder, [methods], classes=2)


def speed_experiment(name: str, changes: Mapping[str, Any] = MappingProxyType({})) -> Experiment:
    """An experiment of `configs/speed.py` by name, with changed fields."""
    config = runpy.run_path(str(CONFIG))["get_config"](name)
    config.update(changes)
    return Experiment.parse(config.to_dict())


def world(folder: Path, config: str) -> None:
    """Writes the backbone, the first trained approach and its batches of an experiment."""
    experiment = speed_experiment(config)
    name = resolve_path(experiment.backbone, "backbone")
    backbone = load_backbone(name)
    tasks = {settings.name: settings.load() for settings in experiment.tasks}
    plan = cells(experiment, tasks, backbone.checksum, parameters=backbone.parameters)
    trained = [cell for cell in plan if cell.approach.stages]
    run = trained[0].search()[0]
    methods = run.approach.stages[0].methods
    tokenizer = load_tokenizer(name, backbone.model)
    assert backbone.context is not None
    room = backbone.context - sum(method.positions for method in methods)
    data = run_data(run, tokenizer, room, route_of(backbone.model, methods))
    schedule, rows = run.approach.stages[0].schedule, data.train
    steps = range(schedule.steps)
    chosen = np.stack([batch_indices(rows.length, schedule.batch_size, 0, step) for step in steps])
    batches = Batches(
        rows.tokens[chosen],
        rows.length[chosen],
        rows.prompt_length[chosen],
        rows.label[chosen],
        np.asarray(data.frame.prefix_ids[: int(data.frame.prefix_length)]),
        np.asarray(data.frame.suffix_ids),
        np.zeros((0, 0), np.int32),
    )
    shutil.copytree(name, folder / "model")
    write_batches(folder, batches)
    write_adapters(folder, [methods])
