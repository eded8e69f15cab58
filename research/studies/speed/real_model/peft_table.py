"""The table race with PyTorch and PEFT: a plain loop that loads the model once."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore

from research.studies.speed.case_files import adapter_folders, read_trained
from research.studies.speed.peft_inputs import (
    IGNORED,
    adapted,
    decoder_batch,
    model_in,
    train_alone,
)
from research.studies.speed.real_model.table_format import (
    EncodedSplit,
    SeedData,
    TableInputs,
    read_table,
)

EVALUATION_ROWS = 16  # of a batch; each is scored with every label


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
        with _prepared(self.model, folder) as model:
            trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
            start, runs = _copies(trained), {}
            for rate in rates:
                runs[rate] = []
                for data in inputs.seeds:
                    _restore(trained, start)
                    self._train(model, list(trained.values()), data, rate)
                    accuracy = _accuracy(model, data.dev, inputs)
                    runs[rate].append((accuracy, _copies(trained)))
            best = max(rates, key=lambda rate: np.mean([accuracy for accuracy, _ in runs[rate]]))
            accuracies = []
            for _, weights in runs[best]:
                _restore(trained, weights)
                accuracies.append(_accuracy(model, inputs.test, inputs))
            _restore(trained, start)
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


@contextmanager
def _prepared(model: Any, folder: Path) -> Iterator[Any]:
    """The model with the trainable weights of an approach; afterwards it has no adapter."""
    folders, trained = adapter_folders(folder), read_trained(folder)
    if folders:
        peft_model = adapted(model, folders[0])
        yield peft_model
        if not peft_model.active_peft_config.is_prompt_learning:
            peft_model.unload()
        return
    assert trained is not None
    train_alone(model, trained.tensors)
    yield model


def _accuracy(model: Any, split: EncodedSplit, inputs: TableInputs) -> float:
    predicted = [
        _scores(model, split, inputs, range(first, min(first + EVALUATION_ROWS, len(split.label))))
        for first in range(0, len(split.label), EVALUATION_ROWS)
    ]
    return float(np.mean(np.concatenate(predicted).argmax(1) == split.label))


@torch.inference_mode()
def _scores(
    model: Any, split: EncodedSplit, inputs: TableInputs, rows: Sequence[int]
) -> np.ndarray:
    """Summed log-probability of each label's tokens after each row's prompt, [B, C]."""
    labels = [
        tokens[:length] for tokens, length in zip(inputs.labels, inputs.label_lengths, strict=True)
    ]
    prompts = [split.tokens[row, : split.prompt_length[row]] for row in rows]
    texts = [np.concatenate([prompt, label]) for prompt in prompts for label in labels]
    starts = [len(prompt) for prompt in prompts for _ in labels]
    batch = decoder_batch(inputs.prefix_ids, texts, starts)
    targets = batch.pop("labels")[:, 1:]
    logits = model(**batch).logits.float()
    logits = logits[:, -targets.shape[1] - 1 : -1]  # without the positions of a soft prompt
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), targets, ignore_index=IGNORED, reduction="none"
    )
    return -losses.sum(1).reshape(len(prompts), len(labels)).cpu().numpy()


def _copies(parameters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: parameter.detach().clone() for name, parameter in parameters.items()}


def _restore(parameters: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    for name, parameter in parameters.items():
        parameter.data.copy_(values[name])
