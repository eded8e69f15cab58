"""Trains one run with PyTorch and PEFT, and answers its test set.

    python -m research.studies.agreement.peft_run FOLDER ANSWERS

FOLDER is described in `run_files`. ANSWERS is the JSON file that is written: see `PeftAnswers`.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch  # pyright: ignore

from research.common.files import write_atomically
from research.studies.agreement.run_files import RunInputs, read_inputs
from research.studies.speed.real_model.peft_scores import split_scores
from research.studies.speed.real_model.peft_weights import copies, prepared, restore
from research.studies.speed.real_model.table_format import EncodedSplit
from research.studies.speed.sides.peft_inputs import decoder_batch, model_in


class PeftAnswers(NamedTuple):
    """The outcome of a run.

    Attributes:
        predicted: Predicted class of each test example.
        history: (step, dev accuracy, dev loss) of each evaluation.
        best_step: The step whose weights answered the test set.
    """

    predicted: Sequence[int]
    history: Sequence[tuple[int, float, float]]
    best_step: int


def train_with_peft(folder: Path) -> PeftAnswers:
    """Trains with early stopping on dev as our loop does, and predicts with the best weights."""
    inputs = read_inputs(folder)
    with prepared(model_in(folder / "model", "float32").eval(), folder) as model:
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        best_step, best, history = _train(model, trained, inputs)
        restore(trained, best)
        scores = split_scores(model, inputs.test, inputs.prefix_ids, inputs.label_ids)
    return PeftAnswers(scores.argmax(1).tolist(), history, best_step)


def _train(
    model: Any, trained: dict[str, Any], inputs: RunInputs
) -> tuple[int, dict[str, Any], list[tuple[int, float, float]]]:
    """The best step, its weights and the history."""
    optimizer = _optimizer(trained, inputs.weight_decay)
    best_step, best, best_score = 0, copies(trained), (-np.inf, -np.inf)
    history: list[tuple[int, float, float]] = []
    without_gain = 0
    for step, (chosen, rate) in enumerate(zip(inputs.batches, inputs.rates, strict=True), start=1):
        _advance(model, trained, optimizer, inputs, chosen, float(rate))
        if step % inputs.eval_every and step < len(inputs.batches):
            continue
        accuracy, loss = _dev(model, inputs)
        history.append((step, accuracy, loss))
        without_gain += 1
        if (accuracy, -loss) > best_score:
            best_step, best, best_score = step, copies(trained), (accuracy, -loss)
            without_gain = 0
        if without_gain == inputs.patience:
            break
    return best_step, best, history


def _optimizer(trained: dict[str, Any], weight_decay: float) -> torch.optim.Optimizer:
    """AdamW with our defaults; vectors have no weight decay."""
    groups = [
        {"params": [p for p in trained.values() if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def _advance(
    model: Any,
    trained: dict[str, Any],
    optimizer: torch.optim.Optimizer,
    inputs: RunInputs,
    chosen: np.ndarray,
    rate: float,
) -> None:
    """One step on the chosen training examples."""
    rows = inputs.train
    for group in optimizer.param_groups:
        group["lr"] = rate
    tokens = [rows.tokens[i, : rows.length[i]] for i in chosen]
    batch = decoder_batch(inputs.prefix_ids, tokens, rows.prompt_length[chosen])
    model(**batch).loss.backward()
    if inputs.clip is not None:
        torch.nn.utils.clip_grad_norm_(trained.values(), inputs.clip)
    optimizer.step()
    optimizer.zero_grad()


def _dev(model: Any, inputs: RunInputs) -> tuple[float, float]:
    """Accuracy, and mean loss of a target token of the right labels."""
    split: EncodedSplit = inputs.dev
    scores = split_scores(model, split, inputs.prefix_ids, inputs.label_ids)
    right = scores[np.arange(len(split.label)), split.label]
    loss = -right.sum() / inputs.label_lengths[split.label].sum()
    return float(np.mean(scores.argmax(1) == split.label)), float(loss)


if __name__ == "__main__":
    answers = train_with_peft(Path(sys.argv[1]))
    write_atomically(Path(sys.argv[2]), (json.dumps(answers._asdict()) + "\n").encode())
