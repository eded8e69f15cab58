"""Backbones with weights drawn by name, as transformers and PEFT load them, and their logits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import peft
import torch
import transformers

from research.models.backbone import Backbone, load_backbone, save_backbone
from research.models.encoder import Encoder
from tests import checkpoints

VARIANTS = [
    "llama, grouped keys",
    "llama, wide heads, other base",
    "mistral",
    "qwen3, grouped keys, tied",
    "gpt2",
    "t5",
    "t5 1.1",
    "bert",
    "roberta",
]
ENCODERS = ["bert", "roberta"]
CLASSES = 2


def backbone(folder: Path, variant: str, head: bool = False) -> Backbone:
    """The variant's backbone; with a head in place of the one for masked tokens, if so asked."""
    loaded = load_backbone(str(checkpoints.write(folder / "plain", variant)))
    if not head:
        return loaded
    assert isinstance(loaded.model, Encoder)
    pooler = loaded.model.config.family == "bert"
    config = replace(loaded.model.config, masked_lm=False, pooler=pooler)
    model = type(loaded.model)(config).with_classes(CLASSES)
    params = {path: leaf for path, leaf in loaded.params.items() if not path.startswith("head/")}
    draw = np.random.default_rng(0)
    for path, shape in model.head_shapes().items():
        params[path] = draw.normal(0, 0.3, shape).astype(np.float32)
    if pooler:
        width = config.width
        params["pooler/kernel"] = draw.normal(0, 0.3, (width, width)).astype(np.float32)
        params["pooler/bias"] = draw.normal(0, 0.3, width).astype(np.float32)
    save_backbone(folder / "classifier", model, params)
    return load_backbone(str(folder / "classifier"))


def torch_model(loaded: Backbone):
    """The same model in transformers, float32."""
    name = loaded.model.config.to_hf()["architectures"][0]
    return getattr(transformers, name).from_pretrained(loaded.name, dtype=torch.float32).eval()


def task_type(loaded: Backbone) -> str:
    """What PEFT calls the model's purpose."""
    if loaded.model.head_shapes():
        return "SEQ_CLS"
    tasks = {"causal": "CAUSAL_LM", "seq2seq": "SEQ_2_SEQ_LM", "masked": "FEATURE_EXTRACTION"}
    return tasks[loaded.model.ROUTE]


def given(loaded: Backbone) -> dict[str, np.ndarray]:
    """Inputs, without segments where PEFT drops them."""
    inputs = checkpoints.inputs(loaded.model)
    if task_type(loaded) == "FEATURE_EXTRACTION":
        inputs["types"] = np.zeros_like(inputs["types"])
    return inputs


def their_logits(model, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """As `tests.interop.predict.adapted_logits`, of a model of PEFT or transformers."""
    whole = {name: torch.tensor(np.asarray(x)).long() for name, x in inputs.items()}
    named = {
        "input_ids": whole["tokens"],
        "attention_mask": whole["valid"],
        "decoder_input_ids": whole.get("target"),
        "decoder_attention_mask": whole.get("target_valid"),
        "token_type_ids": whole.get("types"),
    }
    with torch.no_grad():
        logits = model(**{name: x for name, x in named.items() if x is not None}).logits
    length = whole["target"].shape[1] if "target" in whole else whole["tokens"].shape[1]
    return (logits[:, -length:] if logits.ndim == 3 else logits).numpy()


def randomised(model, seed: int = 0):
    """The model with everything that PEFT trains moved to random values."""
    torch.manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(0, 0.3)
    return model.eval()


def reloaded(loaded: Backbone, folder: Path):
    """The backbone in PEFT with the adapter in `folder`."""
    return peft.PeftModel.from_pretrained(torch_model(loaded), folder).eval()


def trainable(loaded: Backbone, folder: Path):
    """The same, with the adapter's parameters to be trained; dropout stays off."""
    config = peft.PeftConfig.from_pretrained(folder)
    config.inference_mode = False
    model = peft.get_peft_model(torch_model(loaded), config)
    weights = peft.load_peft_weights(str(folder), device="cpu")
    result = peft.set_peft_model_state_dict(model, weights)
    assert set(result.unexpected_keys) <= {"prompt_embeddings"}  # which PEFT loads by itself
    return model.eval()
