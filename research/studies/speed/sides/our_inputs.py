"""Reads the inputs of a case for our side."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from research.common.config import build_named
from research.evaluation.batch import (
    PromptFrame,
    Rows,
    batch_rows,
    bucket,
    prompt_frame,
    prompt_width,
)
from research.interop.peft import load_adapter
from research.methods import METHODS
from research.methods.full import Full
from research.methods.method import Leaves, Method
from research.models.backbone import load_backbone
from research.runtime.devices import Devices
from research.studies.speed.case_files import adapter_folders, read_batches, read_trained
from research.tasks.encoding.encoded import Encoded

DEVICES = Devices(count=1)


class CaseInputs:
    """The model and batches of a case; frozen weights have the dtype `dtype`."""

    def __init__(self, folder: Path, dtype: str):
        self.folder, self.dtype = folder, jnp.dtype(dtype)
        self.backbone = load_backbone(str(folder / "model"), self.dtype)
        self.folders, self.batches = adapter_folders(folder), read_batches(folder)

    def trained(self) -> tuple[tuple[Method, ...], Leaves]:
        """(methods, leaves they add) of the case: its first adapter, trained.json or `Full`."""
        if self.folders:
            return self.adapter(0)
        trained = read_trained(self.folder)
        if trained is None:
            return (Full(),), {}
        plain = trained.methods
        return tuple(build_named(METHODS, method, "methods", "name") for method in plain), {}

    def adapter(self, index: int) -> tuple[tuple[Method, ...], Leaves]:
        """(methods, leaves they add) of an adapter; traced hyper-parameters are arrays."""
        methods, added = load_adapter(
            self.folders[index], self.backbone.model, self.backbone.params
        )
        return tuple(jax.tree.map(np.float32, method) for method in methods), added

    def frame(self) -> PromptFrame:
        """The tokens before and after every row."""
        return prompt_frame(list(self.batches.prefix_ids), list(self.batches.suffix_ids))

    def encoded(self, batch: int) -> Encoded:
        """The rows of a batch."""
        batches = self.batches
        return Encoded(
            batches.tokens[batch],
            batches.length[batch],
            batches.prompt_length[batch],
            batches.label[batch],
            0,
        )

    def everything(self) -> Encoded:
        """The rows of all batches."""
        batches = self.batches
        flat = (
            x.reshape(-1, *x.shape[2:])
            for x in (batches.tokens, batches.length, batches.prompt_length, batches.label)
        )
        return Encoded(*flat, cut=0)


def chosen_rows(encoded: Encoded, indices: np.ndarray) -> Encoded:
    """The rows with these indices."""
    parts = (encoded.tokens, encoded.length, encoded.prompt_length, encoded.label)
    return Encoded(*(part[indices] for part in parts), cut=0)


def batch_of(encoded: Encoded, suffix: int | None = None) -> Rows:
    """A batch with the width that a sweep would use.

    suffix: number of tokens after the prompt, on routes where the target is a separate sequence.
    """
    indices = np.arange(len(encoded.length))
    if suffix is None:
        width = bucket(int(encoded.length.max()))
    else:
        width = prompt_width(encoded, indices, suffix)
    return batch_rows(encoded, indices, len(indices), width, max(1, encoded.longest_target))
