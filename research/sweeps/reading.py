"""What an approach reads from its prompts: scores of labels, with or without training."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from research.evaluation.batch import Frame
from research.evaluation.predict import Scored, measured, score, target_loss
from research.evaluation.readout import Normalisation, ensembled, label_scores
from research.methods.method import Leaves, Method
from research.sweeps.bench import Bench
from research.sweeps.data import RunData
from research.tasks.encoded import Encoded


@dataclass(frozen=True)
class Reading:
    """The prompts of an ensemble, mostly one, read by the backbone with these methods and leaves.

    asis: whether that is the backbone as it came, which is asked only once for the same.
    """

    bench: Bench
    prompts: Sequence[RunData]
    normalisation: Normalisation
    methods: tuple[Method, ...]
    leaves: Leaves
    asis: bool

    def score(self, split: str) -> Scored:
        """Of "train" (as many rows as dev has), "dev" or "test"."""
        found = [self._read(prompt, rows_of(prompt, split)) for prompt in self.prompts]
        scores, losses = zip(*found, strict=True)
        gold = rows_of(self.prompts[0], split).label
        return measured(ensembled(scores), gold, sum(losses) / len(losses))

    def _read(self, prompt: RunData, rows: Encoded) -> tuple[np.ndarray, float]:
        """(scores of labels [I, C], loss of the targets that are trained on) by one prompt."""
        scores = self._texts(prompt, rows, prompt.frame)
        neutral = [self._texts(prompt, one, prompt.neutral) for one in rows.neutral]
        labels = label_scores(scores, prompt.texts, self.normalisation, neutral)
        first = np.searchsorted(prompt.texts.owner, rows.label)  # of each label's texts
        return labels, target_loss(scores, first, prompt.texts.targets.length)

    def _texts(self, prompt: RunData, rows: Encoded, frame: Frame) -> np.ndarray:
        """[I, K] scores of all texts."""
        if not self.asis:
            return self._ask(prompt, rows, frame)
        parts = (rows.tokens, rows.start, *prompt.texts.targets, *frame)
        key = hashlib.sha256(b" ".join(np.asarray(part).tobytes() for part in parts)).digest()
        if key not in self.bench.prompted:
            self.bench.prompted[key] = self._ask(prompt, rows, frame)
        return self.bench.prompted[key]

    def _ask(self, prompt: RunData, rows: Encoded, frame: Frame) -> np.ndarray:
        return score(
            self.bench.backbone.model,
            self.methods,
            self.leaves,
            rows,
            frame,
            prompt.texts.targets,
            devices=self.bench.devices,
            dtype=self.bench.dtype,
        )


def rows_of(prompt: RunData, split: str) -> Encoded:
    """The rows of a split; of train as many as dev has."""
    rows = {"train": prompt.train, "dev": prompt.dev, "test": prompt.test}[split]
    return rows.head(len(prompt.dev.length)) if split == "train" else rows
