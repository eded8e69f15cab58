"""Checkpoints as transformers loads them, and what it computes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers

from research.models.backbone import load_backbone
from tests import checkpoints

torch.set_num_threads(1)  # tests run side by side, and threads that wait for a core take it


def theirs(folder: Path):
    """The reference, float32, with every tensor of the folder used and none invented."""
    [name] = json.loads((folder / "config.json").read_text())["architectures"]
    model, report = getattr(transformers, name).from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return model.eval()


def their_parameters(model) -> dict[str, torch.nn.Parameter]:
    """By their names in checkpoints."""
    return by_checkpoint_names(model.config.model_type, dict(model.named_parameters()))


def by_checkpoint_names(model_type: str, named: Mapping[str, Any]) -> dict[str, Any]:
    """Values by the names in checkpoints, of which transformers changes one of GPT-NeoX."""
    renamed = dict(named)
    if model_type == "gpt_neox" and "lm_head.weight" in renamed:
        renamed["embed_out.weight"] = renamed.pop("lm_head.weight")
    return renamed


def their_logits(model, given: Mapping[str, np.ndarray]) -> torch.Tensor:
    """Of inputs as `checkpoints.inputs` makes them; not of prompts that stand before these.

    Of a model without an output layer these are its hidden states.
    """
    whole = {name: torch.tensor(np.asarray(x)).long() for name, x in given.items()}
    named = {
        "input_ids": whole["tokens"],
        "attention_mask": whole["valid"],
        "decoder_input_ids": whole.get("target"),
        "decoder_attention_mask": whole.get("target_valid"),
        "token_type_ids": whole.get("types"),
    }
    outputs = model(**{name: x for name, x in named.items() if x is not None})
    logits = outputs.logits if "logits" in outputs else outputs.last_hidden_state
    length = whole.get("target", whole["tokens"]).shape[1]
    return logits[:, -length:] if logits.ndim == 3 else logits


def their_loss(logits: torch.Tensor, labels: np.ndarray, given) -> torch.Tensor:
    """Cross-entropy summed over the real positions."""
    marked = torch.tensor(np.where(checkpoints.outputs_valid(given), labels, -100))
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), marked.flatten(), reduction="sum"
    )


def assert_equal_logits(folder: Path) -> None:
    """Ours of the checkpoint in `folder` are those of transformers, where they are real."""
    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    valid = checkpoints.outputs_valid(given)
    ours = np.asarray(checkpoints.logits(backbone.model, backbone.params, given))
    expected = their_logits(theirs(folder), given).detach().numpy()
    assert expected[valid].std() > 0.1
    np.testing.assert_allclose(ours[valid], expected[valid], atol=1e-4, rtol=0)
