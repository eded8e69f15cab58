"""Our side of cases that score: what sweeps and `scripts/predict.py` run."""

from functools import partial
from pathlib import Path

import jax
import numpy as np

from research.evaluation.batch import EncodedPrompts
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.serving.mixed_batch import mixed_scores
from research.serving.stacked_adapters import Adapter, stack_adapters
from research.studies.speed.inputs import Batches
from research.studies.speed.our_inputs import DEVICES, CaseInputs, batch_of
from research.tasks.encoding.encoded import Labels


class Scoring:
    """A step scores every label after every row of the next batch."""

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        self.given, self.done = CaseInputs(folder, dtype), 0
        self.labels = _labels(self.given.batches)

    def step(self) -> float:
        """The mean score."""
        given, batch = self.given, self.done % len(self.given.batches.tokens)
        self.done += 1
        scores = Predictor(given.backbone.model, DEVICES, given.dtype).scores(
            AdaptedWeights((), given.backbone.params),
            EncodedPrompts(given.encoded(batch), given.frame()),
            self.labels,
            batch_size=given.batches.tokens.shape[1],
        )
        return float(scores.mean())

    def flops(self) -> float | None:
        return None


class Serving:
    """A step scores the next batch, row i by adapter i modulo `tasks`, all of them in memory."""

    tasks = 16

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        given = CaseInputs(folder, dtype)
        labels, around = _labels(given.batches), given.frame()
        adapters = {
            str(i): Adapter(*given.adapter(i), around, labels) for i in range(len(given.folders))
        }
        model, params = given.backbone.model, given.backbone.params
        self.bank = stack_adapters(model, given.dtype, params, adapters)
        self.params, self.done = params, 0
        self.scores = jax.jit(partial(mixed_scores, model, given.dtype))
        self.parts = [batch_of(given.encoded(i)) for i in range(len(given.batches.tokens))]
        self.which = np.arange(given.batches.tokens.shape[1], dtype=np.int32) % self.tasks

    def step(self) -> float:
        part = self.parts[self.done % len(self.parts)]
        self.done += 1
        return float(self.scores(self.params, self.bank, part, self.which).mean())

    def flops(self) -> float | None:
        return None


class ServingOne(Serving):
    """The same rows, all by the first of the same adapters."""

    tasks = 1


def _labels(batches: Batches) -> Labels:
    lengths = np.full(len(batches.labels), batches.labels.shape[1], np.int32)
    return Labels(batches.labels, lengths)
