"""The methods that are tested on contracts, and on which models."""

from research.contracts.subject import ContractCase
from research.methods import METHODS
from research.methods.adalora import AdaLoRA
from research.methods.bottleneck import Bottleneck
from research.methods.dora import DoRA
from research.methods.head import Head
from research.methods.lora import LoRA, RankOf
from research.methods.lora_fa import LoRAFA
from research.methods.method import Method
from research.methods.prefix import PrefixTuning
from research.methods.selected import Selected
from research.methods.soft_prompt import SoftPrompt
from research.methods.vera import VeRA
from tests import checkpoints

RANKS = (RankOf("value|qkv|qkv_by_head", 2),)
# Every registered method, with its defaults or with smaller sizes and more of its settings.
CASES: dict[str, Method] = {
    **{name: method() for name, method in METHODS.items()},
    "adalora": AdaLoRA(rank=3, alpha=6.0),
    "bottleneck": Bottleneck(size=3),
    "dora": DoRA(rank=3, alpha=6.0, ranks=RANKS, b_rate=4.0),
    "lora": LoRA(rank=3, alpha=6.0, ranks=RANKS, stabilised=True, b_rate=4.0),
    "lora_fa": LoRAFA(rank=3, alpha=6.0, ranks=RANKS),
    "prefix": PrefixTuning(length=3),
    "selected": Selected(("mlp/.*",)),
    "soft_prompt": SoftPrompt(length=4),
    "vera": VeRA(rank=3, targets=("attention/.*", "down")),
    # Further settings of a method.
    "lora, pissa": LoRA(rank=3, alpha=6.0, ranks=RANKS, start="pissa"),
    "dora, pissa": DoRA(rank=3, alpha=6.0, start="pissa"),
}
# The head of a decoder.
LAST = {"head, last": Head(pool="last")}
# T5 has no biases, and its decoder carries no head.
WITHOUT = {("t5", "bitfit"), ("t5", "head")}
MORE = [(v, m) for v in ("t5", "bert") for m in CASES if (v, m) not in WITHOUT]
MORE += [("gpt2", name) for name in ("vera", "adalora", "lora, pissa")]
MORE += [("gpt2", name) for name in ("ia3", "lora", "prefix")]  # its attention is one layer
MORE += [("phi3", name) for name in ("ia3", "lora", "prefix")]  # so is its MLP
MORE += [("gpt_neox", name) for name in ("ia3", "lora", "prefix", "soft_prompt")]
MORE += [("gemma3", name) for name in ("full", "lora", "prefix", "soft_prompt")]
MORE += [("gemma2", "lora"), ("olmo2", "lora"), ("olmo2", "prefix"), ("granite", "soft_prompt")]
MORE += [("smollm3", "lora"), ("smollm3", "last_layers")]
MORE += [("llama, grouped keys", name) for name in (*LAST, "head, last + soft_prompt")]
MORE += [("gpt2", "head, last + lora")]
MORE += [("t5 encoder", "head")]
MORE += [("t5 encoder", f"head + {name}") for name in CASES if name not in ("bitfit", "head")]
MORE += [("roberta", f"head + {name}") for name in ("ia3", "lora", "prefix", "soft_prompt")]
# Windows that reach back to a prompt or a prefix in a single layer.
WIDE = {variant: {"sliding_window": 64} for variant in ("phi3", "gemma3")}
LAYERS = {
    "t5": "num_layers",
    "t5 encoder": "num_layers",
    "gpt2": "n_layer",
}  # what config.json calls them
# A decoder has no biases, and its head reads the last position.
ON_DECODERS = [name for name, method in CASES.items() if name != "bitfit" and not method.is_head]


def subject(variant: str, names: str) -> ContractCase:
    """On one layer, but for what trains a part of the layers."""
    return with_layers(variant, names, 2 if names == "last_layers" else 1)


def with_layers(variant: str, names: str, layers: int) -> ContractCase:
    """On so many layers in each stack."""
    changes = {LAYERS.get(variant, "num_hidden_layers"): layers, **WIDE.get(variant, {})}
    model, params = checkpoints.drawn(variant, **changes)
    return ContractCase(
        model, params, tuple({**CASES, **LAST}[name] for name in names.split(" + "))
    )
