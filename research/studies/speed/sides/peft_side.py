"""The workloads with PyTorch, transformers and PEFT, written as their users would.

Each batch is padded to its longest row. The loss is the model's own; the optimizer is the fused
AdamW that transformers trains with; gradients are clipped at norm 1.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch  # pyright: ignore

from research.common.errors import InputError
from research.studies.speed.case_files import (
    Batches,
    adapter_folders,
    read_batches,
    read_factors,
    read_trained,
)
from research.studies.speed.real_model.peft_table import PeftTable
from research.studies.speed.sides.peft_inputs import (
    DEVICE,
    ENCODERS,
    SEQ2SEQ,
    adapted,
    decoder_batch,
    model_in,
    padded,
    padded_labels,
    tensor,
    train_alone,
)
from research.studies.speed.sides.workloads import Workloads

RATES, SEEDS = 4, 4  # of the whole-process sweep


class PeftTraining:
    """A step is one optimizer step on the next batch."""

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        folders, trained, self.done = adapter_folders(folder), read_trained(folder), 0
        self.mixed = dtype == "bfloat16"
        # Trained weights stay in float32, as on our side.
        model = model_in(folder / "model", dtype if folders or trained else "float32")
        if folders:
            model = adapted(model, folders[0])
        elif trained is not None:
            train_alone(model, trained.tensors)
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
        if kind in SEQ2SEQ:
            inputs = [row[:begin] for row, begin in zip(tokens, start, strict=True)]
            labels = [r[b:n] for r, b, n in zip(tokens, start, length, strict=True)]
            return {**padded(inputs), "labels": padded_labels(labels)}
        if kind in ENCODERS:
            texts = [
                np.concatenate([batches.prefix_ids, row[:begin], batches.suffix_ids])
                for row, begin in zip(tokens, start, strict=True)
            ]
            return {**padded(texts), "labels": tensor(batches.label[index])}
        rows = [row[:n] for row, n in zip(tokens, length, strict=True)]
        return decoder_batch(batches.prefix_ids, rows, start)


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


class PeftLoading:
    """Loads the model in the case's folder, and has no steps.

    Raises InputError if PyTorch cannot.
    """

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        try:
            self.model = model_in(folder / "model", dtype)
        except Exception as error:  # transformers raises errors of any kind
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0]}"
            name = str((folder / "model").resolve())
            raise InputError("--model", name, f"PyTorch cannot load it ({reason})") from error


def _device_peak_bytes() -> int | None:
    return torch.cuda.max_memory_allocated() if DEVICE == "cuda" else None


WORKS: dict[str, Any] = {
    "load": PeftLoading,
    "table": PeftTable,
    "train": PeftTraining,
    "score": PeftScoring,
    "sweep": PeftSweeping,
    "product": TorchProduct,
}
# PyTorch runs without compilation.
SIDE = Workloads(WORKS, _device_peak_bytes, compile_seconds=lambda: 0.0)
