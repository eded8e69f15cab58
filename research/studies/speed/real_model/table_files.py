"""Writes the inputs of the table race: encoded SST-2 for a real backbone, and its approaches."""

from pathlib import Path

import numpy as np

from research.common.paths import resolve_path
from research.evaluation.answer_kinds.label_answerer import LabelAnswerer
from research.evaluation.scoring import route_of
from research.experiments.cells import cells
from research.experiments.plan import CellPlan, Run
from research.models.backbone import load_backbone, load_tokenizer
from research.runs.data import RunData
from research.runs.encode_data import run_data
from research.runs.room import room
from research.studies.speed.inputs import write_methods
from research.studies.speed.real_inputs import speed_experiment
from research.studies.speed.real_model.model_files import link_model
from research.studies.speed.real_model.table_format import (
    EncodedSplit,
    SeedData,
    TableInputs,
    write_table,
)
from research.tasks.datasets.tables import read_file
from research.tasks.encoding.encoded import Encoded
from research.training.batches import batch_indices

TEST_ROWS = 200


def write_table_inputs(folder: Path, name: str) -> None:
    """Writes the data and approaches of `configs/speed.py:table` for a backbone.

    The inputs of both sides are in `folder`: test.tsv is the test set of our sweep.
    """
    link_model(folder, name)
    _write_test(folder / "test.tsv")
    changes = {"backbone": name, "task": {"test": str(folder / "test.tsv")}}
    experiment = speed_experiment("table", changes)
    backbone = load_backbone(name)
    tasks = {settings.name: settings.load() for settings in experiment.tasks}
    plans = [p for p in cells(experiment, tasks, backbone.checksum) if p.approach.stages]
    for index, plan in enumerate(plans):
        approach = folder / "approaches" / str(index)
        approach.mkdir(parents=True)
        (approach / "model").symlink_to(folder / "model")
        write_methods(approach, plan.approach.stages[0].methods)
    data = {run.seed: (run, _data(run, name)) for run in plans[0].search()}
    first = next(iter(data.values()))[1]
    assert isinstance(first.answerer, LabelAnswerer)
    labels = first.answerer.labels
    inputs = TableInputs(
        rates=[_rates(plan) for plan in plans],
        prefix_ids=np.asarray(first.frame.prefix_ids),
        labels=labels.tokens,
        label_lengths=labels.length,
        test=_split(first.test),
        seeds=[_seed_data(run, run_data) for run, run_data in data.values()],
    )
    write_table(folder, inputs)


def _write_test(file: Path) -> None:
    """Writes a random sample of SST-2's dev examples, which have labels."""
    table = read_file(resolve_path("$ADAPTLAB_SHARED/data/sst2/dev.tsv", "task"))
    texts, labels = table.column("sentence"), table.column("label")
    chosen = np.random.default_rng(0).permutation(len(table.rows))[:TEST_ROWS]
    lines = ["sentence\tlabel", *(f"{texts[row]}\t{labels[row]}" for row in chosen)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _rates(plan: CellPlan) -> list[float]:
    """The learning rates of an approach."""
    return list(dict.fromkeys(run.approach.stages[0].learning_rate for run in plan.search()))


def _data(run: Run, name: str) -> RunData:
    """The encoded data of a run."""
    backbone = load_backbone(name)
    tokenizer, methods = load_tokenizer(name, backbone.model), run.approach.stages[0].methods
    positions = sum(method.positions for method in methods)
    width = room(backbone.context, positions)
    return run_data(run, tokenizer, width, route_of(backbone.model, methods))


def _seed_data(run: Run, data: RunData) -> SeedData:
    schedule, lengths = run.approach.stages[0].schedule, data.train.length
    steps = range(schedule.steps)
    seed, size = run.seeds.order, schedule.batch_size
    batches = np.stack([batch_indices(lengths, size, seed, step) for step in steps])
    return SeedData(_split(data.train), _split(data.dev), batches)


def _split(rows: Encoded) -> EncodedSplit:
    return EncodedSplit(rows.tokens, rows.length, rows.prompt_length, rows.label)
