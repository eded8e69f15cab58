"""The table race with PyTorch and PEFT: a plain loop that loads the model once."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore

from research.studies.speed.real_model.peft_scores import split_scores
from research.studies.speed.real_model.peft_weights import copies, prepared, restore
from research.studies.speed.real_model.table_format import EncodedSplit, SeedData, read_table
from research.studies.speed.sides.peft_inputs import decoder_batch, model_in


class PeftTable:
    """A step trains all runs of a table, chooses a learning rate on dev and evaluates on test.

    Runs of an approach differ in learning rate and seed, and start from the same weights. The rate
    with the best mean dev accuracy is evaluated on test with every seed.
    """

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        self.folder, self.inputs = folder, read_table(folder)
        self.model = model_in(folder / "model", dtype).eval()  # no dropout, as on our side
        self.accuracies: list[float] = []

    def step(self) -> float:
        """The mean test accuracy of the approaches."""
        self.accuracies = [
            self._approach(self.folder / "approaches" / str(index), rates)
            for index, rates in enumerate(self.inputs.rates)
        ]
        return float(np.mean(self.accuracies))

    def flops(self) -> float | None:
        return None

    def _approach(self, folder: Path, rates: Sequence[float]) -> float:
        """Mean test accuracy with the chosen learning rate."""
        inputs = self.inputs
        with prepared(self.model, folder) as model:
            trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
            start, runs = copies(trained), {}
            for rate in rates:
                runs[rate] = []
                for data in inputs.seeds:
                    restore(trained, start)
                    self._train(model, list(trained.values()), data, rate)
                    accuracy = self._accuracy(model, data.dev)
                    runs[rate].append((accuracy, copies(trained)))
            best = max(rates, key=lambda rate: np.mean([accuracy for accuracy, _ in runs[rate]]))
            accuracies = []
            for _, weights in runs[best]:
                restore(trained, weights)
                accuracies.append(self._accuracy(model, inputs.test))
            restore(trained, start)
        return float(np.mean(accuracies))

    def _train(self, model: Any, trained: list[Any], data: SeedData, rate: float) -> None:
        optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.0, fused=True)
        steps, rows = len(data.batches), data.train
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, steps)
        for chosen in data.batches:
            tokens = [rows.tokens[i, : rows.length[i]] for i in chosen]
            batch = decoder_batch(self.inputs.prefix_ids, tokens, rows.prompt_length[chosen])
            model(**batch).loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()

    def _accuracy(self, model: Any, split: EncodedSplit) -> float:
        inputs = self.inputs
        labels = [
            tokens[:length]
            for tokens, length in zip(inputs.labels, inputs.label_lengths, strict=True)
        ]
        scores = split_scores(model, split, inputs.prefix_ids, labels)
        return float(np.mean(scores.argmax(1) == split.label))
