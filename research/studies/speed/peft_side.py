"""The workloads with PyTorch, transformers and PEFT, written as their users would.

Each batch is padded to its longest row. The loss is the model's own; the optimizer is the fused
AdamW that transformers trains with; gradients are clipped at norm 1.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore

from research.studies.speed.inputs import Batches, adapter_folders, read_batches, read_factors
from research.studies.speed.peft_inputs import (
    DEVICE,
    IGNORED,
    adapted,
    model_in,
    padded,
    padded_labels,
    tensor,
)

RATES, SEEDS = 4, 4  # of the whole-process sweep


class PeftTraining:
    """A step is one optimizer step on the next batch."""

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        folders, self.done = adapter_folders(folder), 0
        self.mixed = dtype == "bfloat16"
        # Trained weights stay in float32, as on our side.
        model = model_in(folder / "model", dtype if folders else "float32")
        if folders:
            model = adapted(model, folders[0])
        self.model = model.eval()  # no dropout, as on our side
        self.trained = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.trained, lr=learning_rate, weight_decay=0.0, fused=True
        )
        batches = read_batches(folder)
        self.parts = [self._batch(batches, i) for i in range(len(batches.tokens))]

    def step(self) -> float:
        part = self.parts[self.done % len(self.parts)]
        self.done += 1
        with torch.autocast(DEVICE, torch.bfloat16, enabled=self.mixed):
            loss = self.model(**part).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss.item()

    def flops(self) -> float | None:
        return None

    def _batch(self, batches: Batches, index: int) -> dict[str, Any]:
        """Arguments of the model."""
        kind = self.model.config.model_type
        tokens, length = batches.tokens[index], batches.length[index]
        start = batches.prompt_length[index]
        if kind == "t5":
            inputs = [row[:begin] for row, begin in zip(tokens, start, strict=True)]
            labels = [r[b:n] for r, b, n in zip(tokens, start, length, strict=True)]
            return {**padded(inputs), "labels": padded_labels(labels)}
        if kind == "bert":
            texts = [
                np.concatenate([batches.prefix_ids, row[:begin], batches.suffix_ids])
                for row, begin in zip(tokens, start, strict=True)
            ]
            return {**padded(texts), "labels": tensor(batches.label[index])}
        before = batches.prefix_ids
        rows = [np.concatenate([before, row[:n]]) for row, n in zip(tokens, length, strict=True)]
        labels = [row.copy() for row in rows]
        for row, begin in zip(labels, start, strict=True):
            row[: len(before) + begin] = IGNORED
        return {**padded(rows), "labels": padded_labels(labels)}


class PeftScoring:
    """A step scores every label after every row of the next batch.

    Prefix, row and label form one sequence; all rows times labels share a forward pass, which
    computes only the logits of the label.
    """

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        self.model, self.done = model_in(folder / "model", dtype).eval(), 0
        self.batches = read_batches(folder)

    @torch.inference_mode()
    def step(self) -> float:
        batches, index = self.batches, self.done % len(self.batches.tokens)
        self.done += 1
        count, targets = batches.labels.shape
        prompts = [
            row[:n]
            for row, n in zip(batches.tokens[index], batches.prompt_length[index], strict=True)
        ]
        rows = [
            np.concatenate([batches.prefix_ids, prompt, label])
            for prompt in prompts
            for label in batches.labels
        ]
        logits = self.model(**padded(rows), logits_to_keep=targets + 1).logits[:, :-1].float()
        chosen = tensor(np.tile(batches.labels, (len(prompts), 1)))[..., None]
        scores = torch.log_softmax(logits, -1).gather(-1, chosen).sum((-2, -1))
        return scores.reshape(-1, count).mean().item()

    def flops(self) -> float | None:
        return None


class PeftSweeping:
    """A step trains sixteen runs one after the other, each on all batches with a new model.

    Nothing is evaluated.
    """

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        self.folder, self.dtype, self.learning_rate = folder, dtype, learning_rate
        self.steps = len(read_batches(folder).tokens)

    def step(self) -> float:
        """The mean of the final losses."""
        last = []
        for run in range(RATES * SEEDS):
            rate = self.learning_rate * (1 + run // SEEDS)
            training = PeftTraining(self.folder, self.dtype, rate)
            last.append([training.step() for _ in range(self.steps)][-1])
        return float(np.mean(last))

    def flops(self) -> float | None:
        return None


class TorchProduct:
    """A step is one matrix product."""

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        self.left, self.right = (
            torch.tensor(factor, dtype=getattr(torch, dtype), device=DEVICE)
            for factor in read_factors(folder)
        )

    def step(self) -> float:
        return float((self.left @ self.right)[0, 0])

    def flops(self) -> None:
        return None


WORKS: dict[str, Any] = {
    "train": PeftTraining,
    "score": PeftScoring,
    "sweep": PeftSweeping,
    "product": TorchProduct,
}


def device_peak_bytes() -> int | None:
    """Peak bytes in use on the accelerator; None without one."""
    return torch.cuda.max_memory_allocated() if DEVICE == "cuda" else None


def compiled_seconds() -> float:
    """0: PyTorch runs without compilation."""
    return 0.0
