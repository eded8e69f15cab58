"""Our scoring workloads: the code of sweeps and of `scripts/predict.py`."""

from functools import partial
from pathlib import Path

import jax
import numpy as np

from research.evaluation.batch import EncodedPrompts
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.serving.mixed_batch import mixed_scores
from research.serving.stacked_adapters import Adapter, stack_adapters
from research.studies.speed.case_files import Batches
from research.studies.speed.sides.our_inputs import DEVICES, CaseInputs, batch_of
from research.tasks.encoding.encoded import Labels


class Scoring:
    """A step scores every label after every row of the next batch."""

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        self.inputs, self.done = CaseInputs(folder, dtype), 0
        self.labels = _labels(self.inputs.batches)

    def step(self) -> float:
        """The mean score."""
        inputs, batch = self.inputs, self.done % len(self.inputs.batches.tokens)
        self.done += 1
        scores = Predictor(inputs.backbone.model, DEVICES, inputs.dtype).scores(
            AdaptedWeights((), inputs.backbone.params),
            EncodedPrompts(inputs.encoded(batch), inputs.frame()),
            self.labels,
            batch_size=inputs.batches.tokens.shape[1],
        )
        return float(scores.mean())

    def flops(self) -> float | None:
        return None


class Serving:
    """A step scores the next batch, row i with adapter i modulo `tasks`; all are in memory."""

    tasks = 16

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        inputs = CaseInputs(folder, dtype)
        labels, frame = _labels(inputs.batches), inputs.frame()
        adapters = {
            str(i): Adapter(*inputs.adapter(i), frame, labels) for i in range(len(inputs.folders))
        }
        model, params = inputs.backbone.model, inputs.backbone.params
        self.adapters = stack_adapters(model, inputs.dtype, params, adapters)
        self.params, self.done = params, 0
        self.scores = jax.jit(partial(mixed_scores, model, inputs.dtype))
        self.parts = [batch_of(inputs.encoded(i)) for i in range(len(inputs.batches.tokens))]
        self.adapter_indices = (
            np.arange(inputs.batches.tokens.shape[1], dtype=np.int32) % self.tasks
        )

    def step(self) -> float:
        part = self.parts[self.done % len(self.parts)]
        self.done += 1
        return float(self.scores(self.params, self.adapters, part, self.adapter_indices).mean())

    def flops(self) -> float | None:
        return None


class ServingOne(Serving):
    """The same rows and adapters, but every row uses the first adapter."""

    tasks = 1


def _labels(batches: Batches) -> Labels:
    lengths = np.full(len(batches.labels), batches.labels.shape[1], np.int32)
    return Labels(batches.labels, lengths)
