"""The model types of the Llama family: defaults and switches that a config.json omits."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from research.models.layers.rope import KINDS
from research.models.llama.layer_kinds import PERIOD, Windows


class Variant(NamedTuple):
    """A model type of the family, with the settings of its class in transformers.

    Attributes:
        architecture: name of that class.
        windows: which layers may have a sliding window.
        defaults: defaults of config.json's fields that differ from `LlamaConfig`.
        fixed: fields that the class does not read, with the values that match its computation.
        switches: fields of `DecoderConfig` that the class fixes; others have Llama's values.
        names: fields of `DecoderConfig` that only this class reads, and their names in config.json.
        theta: default base of the rotary positions.
        local_theta: the same in layers with a window; None if their positions are the same.
        unrotated: whether layers may be without rotary positions.
        ropes: kinds of rotary positions that the class has.
    """

    architecture: str
    windows: Windows
    defaults: Mapping[str, Any]
    fixed: Mapping[str, tuple[Any, ...]]
    switches: Mapping[str, Any] = MappingProxyType({})
    names: Mapping[str, str] = MappingProxyType({})
    theta: float = 10000.0
    local_theta: float | None = None
    unrotated: bool = False
    ropes: Collection[str] = tuple(KINDS)

    def fixed_fields(self, common: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
        """The fields of config.json with one supported value: those of all types, and its own."""
        read = {*self.names.values(), *(["hidden_act"] if "activation" in self.names else [])}
        fixed = {**common, **self.fixed}
        return {name: values for name, values in fixed.items() if name not in read}


NO_BIAS = {"attention_bias": (False, None), "mlp_bias": (False, None)}
NO_MLP_BIAS = {"mlp_bias": (False, None)}
NO_WINDOW = {"sliding_window": (None,), "use_sliding_window": (False, None)}
QWEN = {"num_key_value_heads": 32, "sliding_window": 4096, "max_window_layers": 28}
OUTPUT_NORMS = {"head_norm": True, "whole_norm": True, "pre_norms": False, "post_norms": True}
GEMMA = {
    "head_dim": 256,
    "num_key_value_heads": 4,
    "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
    "tie_word_embeddings": True,
}
GEMMA_FIXED = {**NO_MLP_BIAS, "use_bidirectional_attention": (False, None)}
GEMMA_SWITCHES = {"norm_offset": 1.0, "post_norms": True, "root_scale": True}
GEMMA_NAMES = {
    "activation": "hidden_activation",
    "query_scale": "query_pre_attn_scalar",
    "logit_cap": "final_logit_softcapping",
}
VARIANTS = {
    "llama": Variant("LlamaForCausalLM", "none", {}, NO_WINDOW),
    "mistral": Variant(
        "MistralForCausalLM",
        "all",
        {"num_key_value_heads": 8, "sliding_window": 4096},
        NO_BIAS,
    ),
    "qwen2": Variant(
        "Qwen2ForCausalLM",
        "any",
        {**QWEN, "attention_bias": True},
        {**NO_BIAS, "attention_bias": (True,)},
        {"out_bias": False},
    ),
    "qwen3": Variant(
        "Qwen3ForCausalLM",
        "any",
        {**QWEN, "head_dim": 128},
        NO_MLP_BIAS,
        {"head_norm": True},
    ),
    "olmo2": Variant(
        "Olmo2ForCausalLM",
        "none",
        {"rms_norm_eps": 1e-5},
        {**NO_MLP_BIAS, **NO_WINDOW},
        OUTPUT_NORMS,
    ),
    "olmo3": Variant(
        "Olmo3ForCausalLM",
        "periodic",
        {"rms_norm_eps": 1e-5, "sliding_window": 4096, PERIOD: 4},
        {**NO_MLP_BIAS, PERIOD: (4,)},
        OUTPUT_NORMS,
        theta=500000.0,
        local_theta=500000.0,
    ),
    "smollm3": Variant(
        "SmolLM3ForCausalLM",
        "none",
        {"num_key_value_heads": 4, "tie_word_embeddings": True, "no_rope_layer_interval": 4},
        NO_WINDOW,
        theta=2000000.0,
        unrotated=True,
    ),
    "granite": Variant(
        "GraniteForCausalLM",
        "none",
        {"attention_multiplier": 1.0},
        NO_WINDOW,
        names={
            "query_scale": "attention_multiplier",
            "embed_scale": "embedding_multiplier",
            "residual_scale": "residual_multiplier",
            "logit_divisor": "logits_scaling",
        },
    ),
    "phi3": Variant(
        "Phi3ForCausalLM",
        "all",
        {"rms_norm_eps": 1e-5, "original_max_position_embeddings": 4096},
        {**NO_BIAS, "lm_head_bias": (False, None)},
        {"fused": True},
        names={"partial_rotary": "partial_rotary_factor"},
        ropes=("default", "longrope"),
    ),
    "gemma2": Variant(
        "Gemma2ForCausalLM",
        "periodic",
        {**GEMMA, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, PERIOD: 2},
        {**GEMMA_FIXED, PERIOD: (2,)},
        GEMMA_SWITCHES,
        {**GEMMA_NAMES, "score_cap": "attn_logit_softcapping"},
    ),
    "gemma3_text": Variant(
        "Gemma3ForCausalLM",
        "periodic",
        {**GEMMA, PERIOD: 6},
        {**GEMMA_FIXED, "attn_logit_softcapping": (None,)},
        {**GEMMA_SWITCHES, "head_norm": True},
        GEMMA_NAMES,
        theta=1000000.0,
        local_theta=10000.0,
    ),
}
