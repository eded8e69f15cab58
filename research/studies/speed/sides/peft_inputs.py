"""Reads the inputs of a case for PyTorch, transformers and PEFT."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft  # pyright: ignore
import torch  # pyright: ignore
import transformers

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
IGNORED = -100  # label that the loss of transformers ignores
SEQ2SEQ, ENCODERS = ("mt5", "t5"), ("bert", "roberta")  # model types; others are decoders


def model_in(folder: Path, dtype: str) -> Any:
    """Loads the model in a folder, with PyTorch's attention; padding is 0 unless the model has one.

    An encoder has a classification head.
    """
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind: Any = transformers.AutoModelForCausalLM
    if config["model_type"] in SEQ2SEQ:
        kind = transformers.AutoModelForSeq2SeqLM
    elif config["model_type"] in ENCODERS:
        kind = transformers.AutoModelForSequenceClassification
    padding = {"pad_token_id": 0} if config.get("pad_token_id") is None else {}
    model = kind.from_pretrained(str(folder), dtype=getattr(torch, dtype), **padding)
    return model.to(DEVICE)


def adapted(model: Any, folder: Path) -> Any:
    """The model with the trainable adapter in a folder."""
    config = peft.PeftConfig.from_pretrained(str(folder))
    config.inference_mode = False
    model = peft.get_peft_model(model, config)
    # `from_pretrained` cannot load a trainable soft prompt, so its values are set here.
    values = peft.load_peft_weights(str(folder), device=DEVICE)
    peft.set_peft_model_state_dict(model, values)
    return model


def train_alone(model: Any, tensors: Sequence[str]) -> None:
    """Freezes all but these tensors, which become float32. Raises ValueError for an unknown one."""
    parameters = dict(model.named_parameters())
    unknown = set(tensors) - parameters.keys()
    if unknown:
        raise ValueError(f"the model has no {', '.join(sorted(unknown))}")
    for name, parameter in parameters.items():
        parameter.requires_grad_(name in tensors)
        if name in tensors:
            parameter.data = parameter.data.float()


def padded(rows: list[np.ndarray]) -> dict[str, Any]:
    """Token ids and attention mask, padded to the longest row."""
    width = max(map(len, rows))
    ids = np.stack([np.pad(row, (0, width - len(row))) for row in rows])
    mask = np.stack([np.arange(width) < len(row) for row in rows])
    return {"input_ids": tensor(ids), "attention_mask": tensor(mask)}


def padded_labels(rows: list[np.ndarray]) -> Any:
    """Labels, padded to the longest row with the label that the loss ignores."""
    width = max(map(len, rows))
    padded = [np.pad(row, (0, width - len(row)), constant_values=IGNORED) for row in rows]
    return tensor(np.stack(padded))


def decoder_batch(
    prefix: np.ndarray, rows: Sequence[np.ndarray], starts: Sequence[int] | np.ndarray
) -> dict[str, Any]:
    """Arguments of a decoder for rows after a common prefix; `starts`: of each row's target."""
    tokens = [np.concatenate([prefix, row]) for row in rows]
    labels = [row.copy() for row in tokens]
    for row, start in zip(labels, starts, strict=True):
        row[: len(prefix) + start] = IGNORED
    return {**padded(tokens), "labels": padded_labels(labels)}


def tensor(array: np.ndarray) -> Any:
    """A tensor of integers on the device."""
    return torch.tensor(array.astype(np.int64), device=DEVICE)
