"""The files of a run, which PyTorch's side reads without JAX.

model/        a Hugging Face folder
adapters/0/   a PEFT folder with the values before training; absent where none is needed
trained.json  the trained tensors where there is no adapter
run.json      plain values of `RunInputs`
run.npz       its arrays
"""

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from research.studies.speed.real_model.table_format import (
    EncodedSplit,
    named_arrays,
    read_split,
)

ARRAYS = ("prefix_ids", "labels", "label_lengths", "batches", "rates")
SPLITS = ("train", "dev", "test")
PLAIN = ("weight_decay", "clip", "eval_every", "patience")


class RunInputs(NamedTuple):
    """The inputs of a training run.

    Attributes:
        prefix_ids: Tokens before every row, [P].
        labels: Tokens of each label, padded with 0 on the right, [C, L].
        label_lengths: Tokens of each label, [C].
        train: The training examples.
        dev: The dev examples.
        test: The test examples.
        batches: Indices of the training examples of each step, [N, B].
        rates: Learning rate of each step, [N].
        weight_decay: Weight decay of matrices.
        clip: Maximum norm of the gradient; None for no clipping.
        eval_every: Steps between evaluations on dev.
        patience: Evaluations without improvement until training stops.
    """

    prefix_ids: NDArray
    labels: NDArray
    label_lengths: NDArray
    train: EncodedSplit
    dev: EncodedSplit
    test: EncodedSplit
    batches: NDArray
    rates: NDArray
    weight_decay: float
    clip: float | None
    eval_every: int
    patience: int

    @property
    def label_ids(self) -> list[NDArray]:
        """Tokens of each label."""
        return [ids[:length] for ids, length in zip(self.labels, self.label_lengths, strict=True)]


def write_inputs(folder: Path, inputs: RunInputs) -> None:
    arrays = {name: getattr(inputs, name) for name in ARRAYS}
    for name in SPLITS:
        arrays |= named_arrays(name, getattr(inputs, name))
    np.savez(folder / "run.npz", **arrays)
    plain = {name: getattr(inputs, name) for name in PLAIN}
    (folder / "run.json").write_text(json.dumps(plain), encoding="utf-8")


def read_inputs(folder: Path) -> RunInputs:
    plain = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    with np.load(folder / "run.npz") as arrays:
        splits = {name: read_split(name, arrays) for name in SPLITS}
        return RunInputs(**{name: arrays[name] for name in ARRAYS}, **splits, **plain)
