"""Backbones with adapters in PEFT, and what these train as our leaves."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
from safetensors.numpy import save_file

from research.interop.peft import load_adapter, save_adapter
from research.methods.method import Leaves, Method
from research.models.backbone import Backbone
from tests import checkpoints
from tests.parity.reference import by_checkpoint_names, theirs


def torch_model(backbone: Backbone):
    """The backbone in transformers."""
    return theirs(Path(backbone.name))


def task_type(backbone: Backbone) -> str:
    """What PEFT calls the model's purpose."""
    if backbone.model.head_shapes():
        return "SEQ_CLS"
    tasks = {"causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM", "masked": "FEATURE_EXTRACTION"}
    return tasks[backbone.model.ROUTE]


def given(backbone: Backbone) -> dict[str, np.ndarray]:
    """Inputs, without segments where PEFT drops them."""
    inputs = checkpoints.inputs(backbone.model)
    if "types" in inputs and task_type(backbone) == "FEATURE_EXTRACTION":
        inputs["types"] = np.zeros_like(inputs["types"])
    return inputs


def randomised(model, deviation: float = 0.3):
    """The model with everything that PEFT trains moved to random values."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(0, deviation)
    return model.eval()


def reloaded(backbone: Backbone, folder: Path):
    """The backbone in PEFT with the adapter in `folder`."""
    return peft.PeftModel.from_pretrained(torch_model(backbone), folder).eval()


def by_its_config(folder: Path, classes: int):
    """The adapter in `folder` by the loader that its adapter_config.json names, and by no other."""
    task = peft.PeftConfig.from_pretrained(folder).task_type
    loaders = {
        None: peft.AutoPeftModel,
        "CAUSAL_LM": peft.AutoPeftModelForCausalLM,
        "SEQ_2_SEQ_LM": peft.AutoPeftModelForSeq2SeqLM,
        "FEATURE_EXTRACTION": peft.AutoPeftModelForFeatureExtraction,
        "SEQ_CLS": peft.AutoPeftModelForSequenceClassification,
    }
    options = {"num_labels": classes} if task == "SEQ_CLS" else {}
    return loaders[task].from_pretrained(str(folder), dtype=torch.float32, **options).eval()


def trainable(folder: Path, backbone: Backbone, methods: Sequence[Method], leaves: Leaves):
    """A model of torch that trains what `methods` train, with the values of `leaves`.

    An adapter is written to `folder`. Dropout is off.
    """
    if methods[0].name == "full":
        return torch_model(backbone)
    save_adapter(folder, backbone.name, backbone.model, methods, leaves)
    config = peft.PeftConfig.from_pretrained(folder)
    config.inference_mode = False
    model = peft.get_peft_model(torch_model(backbone), config)
    weights = peft.load_peft_weights(str(folder), device="cpu")
    result = peft.set_peft_model_state_dict(model, weights)
    assert set(result.unexpected_keys) <= {"prompt_embeddings"}  # which PEFT loads by itself
    return model.eval()


def as_leaves(
    folder: Path, backbone: Backbone, methods: Sequence[Method], arrays: Mapping[str, np.ndarray]
) -> Leaves:
    """Values or gradients of the parameters of `trainable(folder, ...)`, by our paths.

    Those of an adapter are written and read as it is.
    """
    if methods[0].name == "full":
        keys = [backbone.model.KEY_MAP.key(path) for path in backbone.params]
        assert len(keys) == len(arrays)
        named = by_checkpoint_names(backbone.model.config.to_hf()["model_type"], arrays)
        return {k.leaf: k.transpose(named[k.tensor]) for k in keys}
    stored = {}
    for name, array in arrays.items():
        name = name.replace("prompt_encoder.default.embedding.weight", "prompt_embeddings")
        name = name.replace(".modules_to_save.default", "").replace(".default.", ".")
        stored[name] = array.copy()
    copied = folder.with_name("arrays")
    shutil.copytree(folder, copied)
    save_file(stored, copied / "adapter_model.safetensors")
    return load_adapter(copied, backbone.model, backbone.params)[1]


def felt(backbone: Backbone, leaves: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The leaves without the biases of keys, where no position turns these.

    Such a bias moves all scores of a query alike, so that its gradient is rounding error.
    """
    kept = {path: np.asarray(leaf) for path, leaf in leaves.items()}
    if backbone.model.ROUTE == "masked":
        return {p: leaf for p, leaf in kept.items() if not p.endswith("attention/key/bias")}
    for path, leaf in kept.items():
        if path.endswith("attention/qkv_by_head/bias"):
            config = backbone.model.config
            heads = leaf.reshape(config.heads, 3, config.head_width).copy()
            heads[:, 1, config.rotary_width :] = 0
            kept[path] = heads
        if path.endswith("attention/qkv/bias"):
            queries, _, values = np.split(leaf, 3)
            kept[path] = np.concatenate([queries, values])
    return kept
