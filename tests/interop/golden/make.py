"""Makes the folders beside it with PEFT: `PYTHONPATH=. python tests/interop/golden/make.py`.

Needs torch and peft. Each has an adapter of random weights, and logits.npy: what PEFT computes for
the last row but one of `tests.checkpoints.inputs` on the variant that names the folder.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import peft

from research.models.backbone import load_backbone
from tests import checkpoints
from tests.parity import peft_models
from tests.parity.backbones import with_head
from tests.parity.reference import their_logits

HERE = Path(__file__).parent
# Folder: (variant, whether it classifies, config).
ADAPTERS = {
    "llama-lora": (
        "llama, grouped keys",
        False,
        peft.LoraConfig(
            task_type="CAUSAL_LM",
            r=2,
            lora_alpha=7,
            target_modules=r".*\.(q_proj|down_proj)",
            rank_pattern={"layers.0.mlp.down_proj": 3},
            alpha_pattern={"layers.1.self_attn.q_proj": 11},
        ),
    ),
    "gpt2-lora": (
        "gpt2",
        False,
        peft.LoraConfig(task_type="CAUSAL_LM", r=2, use_rslora=True, target_modules=["c_attn"]),
    ),
    "gpt2-prefix": (
        "gpt2",
        False,
        peft.PrefixTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=3),
    ),
    "t5-prompt": (
        "t5",
        False,
        peft.PromptTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=3),
    ),
    "t5-prefix": (
        "t5",
        False,
        peft.PrefixTuningConfig(task_type="SEQ_2_SEQ_LM", num_virtual_tokens=3),
    ),
    "roberta-lora-classes": (
        "roberta",
        True,
        peft.LoraConfig(task_type="SEQ_CLS", r=2, target_modules=["query", "value"]),
    ),
}


def make(name: str, scratch: Path) -> None:
    variant, classifies, config = ADAPTERS[name]
    backbone = load_backbone(str(checkpoints.write(scratch / "plain", variant)))
    if classifies:
        backbone = with_head(backbone, scratch / "classifier")
    model = peft.get_peft_model(peft_models.torch_model(backbone), config)
    model = peft_models.randomised(model)
    config.base_model_name_or_path = variant
    shutil.rmtree(HERE / name, ignore_errors=True)
    model.save_pretrained(HERE / name)
    (HERE / name / "README.md").unlink(missing_ok=True)
    logits = their_logits(model, peft_models.given(backbone)).detach().numpy()
    np.save(HERE / name / "logits.npy", logits[1, :7] if logits.ndim == 3 else logits[1])


if __name__ == "__main__":
    for name in ADAPTERS:
        with tempfile.TemporaryDirectory() as scratch:
            make(name, Path(scratch))
