"""Reads the inputs of a case for PyTorch, transformers and PEFT."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import peft  # pyright: ignore
import torch  # pyright: ignore
import transformers

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
IGNORED = -100  # label that the loss of transformers ignores
KINDS = {
    "llama": transformers.AutoModelForCausalLM,
    "t5": transformers.AutoModelForSeq2SeqLM,
    "bert": transformers.AutoModelForSequenceClassification,
}


def model_in(folder: Path, dtype: str) -> Any:
    """Loads the model in a folder, with PyTorch's attention."""
    kind = KINDS[json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"]]
    model = kind.from_pretrained(str(folder), dtype=getattr(torch, dtype), pad_token_id=0)
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


def tensor(array: np.ndarray) -> Any:
    """A tensor of integers on the device."""
    return torch.tensor(array.astype(np.int64), device=DEVICE)
