"""Writes the inputs of a run for the same run with PyTorch and PEFT."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from research.common.errors import InputError
from research.common.paths import resolve_path
from research.evaluation.answer_kinds.label_answerer import LabelAnswerer
from research.experiments.plan import Run
from research.experiments.stage import Stage
from research.interop.peft import save_adapter
from research.methods.method import Leaves
from research.methods.shared.leaves import mask
from research.models.checkpoint.folder import find_folder
from research.models.model import Model
from research.runs.context import RunContext
from research.runs.data import RunData
from research.runs.stage_start import start_stage
from research.runs.state import RunState
from research.studies.agreement.run_files import RunInputs, write_inputs
from research.studies.speed.case_files import Trained, write_trained
from research.studies.speed.real_model.table_format import EncodedSplit
from research.tasks.encoding.encoded import Encoded
from research.training.batches import batch_indices
from research.training.optimizer import Schedule, learning_rate_at

# Fields of a schedule that the plain loop follows; others have to be at their default.
FOLLOWED = ("steps", "batch_size", "warmup", "decay", "clip", "eval_every", "patience")


def write_run(folder: Path, run: Run, context: RunContext) -> None:
    """Writes the files of `run_files` for a run, with the weights before training.

    Raises InputError for a run that the plain loop does not follow.
    """
    stage = comparable_stage(run)
    state = RunState(run, replace(context, trunk=None))
    data, model = state.data, context.backbone.model
    if model.ROUTE != "causal":
        raise InputError("backbone", context.backbone.name, "a decoder is expected")
    leaves = start_stage(state, 0, data).leaves
    (folder / "model").symlink_to(
        find_folder(resolve_path(context.backbone.name, "backbone")).resolve()
    )
    _write_weights(folder, stage, model, leaves)
    write_inputs(folder, _inputs(run, stage, data))


def comparable_stage(run: Run) -> Stage:
    """The only stage of a run. Raises InputError for a run that the plain loop does not follow."""
    approach, name = run.approach, run.approach.name
    if len(approach.stages) != 1 or approach.stages[0].task is not None:
        raise InputError("approach", name, "one stage on the task itself is expected")
    if (approach.normalisation, approach.prior, approach.ensemble) != ("sum", "none", 1):
        raise InputError("approach", name, "one prompt with plain label scores is expected")
    stage = approach.stages[0]
    followed = {field: getattr(stage.schedule, field) for field in FOLLOWED}
    if stage.schedule != Schedule(**followed) or stage.merge:
        raise InputError("approach", name, "AdamW without further settings is expected")
    return stage


def _write_weights(folder: Path, stage: Stage, model: Model, leaves: Leaves) -> None:
    """Writes the adapter before training, or the names of the trained tensors."""
    if any(method.peft_type for method in stage.methods):
        (folder / "adapters").mkdir()
        save_adapter(folder / "adapters" / "0", "model", model, stage.methods, leaves)
        return
    if any(":" in path for path in leaves):
        names = ", ".join(method.name for method in stage.methods)
        raise InputError("methods", names, "PEFT has no such adapter")
    trains = mask(stage.methods, leaves)
    tensors = [model.KEY_MAP.key(path).tensor for path, trained in trains.items() if trained]
    write_trained(folder, Trained([], tensors))


def _inputs(run: Run, stage: Stage, data: RunData) -> RunInputs:
    answerer, schedule = data.answerer, stage.schedule
    if not isinstance(answerer, LabelAnswerer) or len(answerer.labels.length) != len(
        answerer.texts.owner
    ):
        raise InputError("task", run.cell.task.name, "labels with one text each are expected")
    steps = range(schedule.steps)
    size, seed = schedule.batch_size, run.seeds.order
    rates = [float(learning_rate_at(schedule, stage.learning_rate, step)) for step in steps]
    return RunInputs(
        prefix_ids=np.asarray(data.frame.prefix_ids)[: int(data.frame.prefix_length)],
        labels=answerer.labels.tokens,
        label_lengths=answerer.labels.length,
        train=_split(data.train),
        dev=_split(data.dev),
        test=_split(data.test),
        batches=np.stack([batch_indices(data.train.length, size, seed, step) for step in steps]),
        rates=np.array(rates),
        weight_decay=stage.weight_decay,
        clip=schedule.clip,
        eval_every=schedule.eval_every,
        patience=schedule.patience,
    )


def _split(rows: Encoded) -> EncodedSplit:
    return EncodedSplit(rows.tokens, rows.length, rows.prompt_length, rows.label)
