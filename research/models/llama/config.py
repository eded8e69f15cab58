"""The config of a decoder of the Llama family, from and to a config.json."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from research.common.errors import InputError, check_choice
from research.models.checkpoint.config_fields import check_field, check_fixed
from research.models.layers.mlp import ACTIVATIONS
from research.models.layers.rope import Rope
from research.models.llama.config_json import FACTORS, NAMES, config_json, named, read_values
from research.models.llama.layer_kinds import check_unrotated, check_windows
from research.models.llama.variants import VARIANTS, Variant


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes and switches of a decoder. Raises InputError for values that do not fit together.

    Attributes:
        vocab_size: number of tokens.
        width: of the hidden states, D.
        layers: number of layers.
        heads: number of query heads, H.
        kv_heads: number of key and value heads, G.
        head_width: dimensions of a head, K.
        hidden: width inside the MLP.
        context: maximum number of positions.
        rope: frequencies of the rotary positions.
        norm_eps: epsilon of the norms.
        tied: whether the embeddings of tokens are also the output layer.
        attention_bias: whether query, key and value have biases.
        mlp_bias: whether the layers of the MLP have biases.
        model_type: the field of a config.json.
        window: number of positions, its own included, that a query attends to in the layers
            `windowed`.
        windowed: indices of the layers with a window.
        activation: of the MLP, a name in `ACTIVATIONS`.
        out_bias: whether the output of attention has a bias; None for `attention_bias`.
        head_norm: whether query and key heads have norms (Qwen 3).
        whole_norm: whether these norms are over all heads together (OLMo 2).
        norm_offset: added to the scales of all norms (Gemma: 1).
        pre_norms: whether the inputs of attention and MLP have norms.
        post_norms: whether the outputs of attention and MLP have norms (Gemma 2, OLMo 2).
        score_cap: limit of the attention scores by `soft_cap` (Gemma 2); None for no limit.
        query_scale: factor of the attention scores; None for K^-1/2.
        partial_rotary: share of a head's dimensions that the rotary positions rotate (Phi).
        unrotated: indices of the layers without rotary positions (SmolLM3).
        local_rope: frequencies in the layers `windowed` (Gemma 3); None for `rope`.
        root_scale: whether embeddings of tokens are multiplied by the root of D (Gemma).
        embed_scale: factor of all embeddings, those of soft prompts too (Granite).
        residual_scale: factor of the outputs of attention and MLP (Granite).
        logit_divisor: divisor of the logits (Granite).
        logit_cap: limit of the logits by `soft_cap` (Gemma 2); None for no limit.
        fused: whether one layer makes query, key and value, and one gate and up (Phi-3).
    """

    vocab_size: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    hidden: int
    context: int
    rope: Rope = Rope()
    norm_eps: float = 1e-6
    tied: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    model_type: str = "llama"
    window: int | None = None
    windowed: tuple[int, ...] = ()
    activation: str = "silu"
    out_bias: bool | None = None
    head_norm: bool = False
    whole_norm: bool = False
    norm_offset: float = 0.0
    pre_norms: bool = True
    post_norms: bool = False
    score_cap: float | None = None
    query_scale: float | None = None
    partial_rotary: float = 1.0
    unrotated: tuple[int, ...] = ()
    local_rope: Rope | None = None
    root_scale: bool = False
    embed_scale: float = 1.0
    residual_scale: float = 1.0
    logit_divisor: float = 1.0
    logit_cap: float | None = None
    fused: bool = False

    def __post_init__(self):
        check_choice("model_type", self.model_type, VARIANTS)
        variant = VARIANTS[self.model_type]
        for field in fields(self):
            if field.name in NAMES:
                check_field(NAMES[field.name], getattr(self, field.name), field.type)
        for name in FACTORS:
            if getattr(self, name) is not None:
                check_field(variant.names.get(name, name), getattr(self, name), float)
        check_fixed(named(self), variant.fixed)
        windows = (variant.windows, self.window, self.windowed, self.layers)
        check_windows(*windows, variant.architecture)
        check_unrotated(self.unrotated, self.layers, variant.unrotated)
        self._check_widths()
        self._check_positions(variant)
        activation = variant.names.get("activation", "activation")
        check_choice(activation, self.activation, ACTIVATIONS)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "DecoderConfig":
        """From the fields of a config.json; missing ones take the defaults of its model type.

        Raises InputError for a missing size and for a setting of the computation that is not
        supported.
        """
        return cls(**read_values(config))

    @property
    def has_out_bias(self) -> bool:
        """Whether the output of attention has a bias."""
        return self.attention_bias if self.out_bias is None else self.out_bias

    @property
    def rotary_width(self) -> int:
        """Dimensions of a head that the rotary positions rotate."""
        return int(self.head_width * self.partial_rotary)

    def rope_of(self, layer: int) -> Rope | None:
        """The frequencies of the rotary positions in a layer; None if it has none."""
        if layer in self.unrotated:
            return None
        return self.local_rope if self.local_rope and layer in self.windowed else self.rope

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json. Raises InputError for a switch that `model_type` lacks."""
        return config_json(self)

    def _check_widths(self) -> None:
        if self.width % self.heads:
            allowed = f"a multiple of num_attention_heads ({self.heads}) is expected"
            raise InputError("hidden_size", self.width, allowed)
        if self.heads % self.kv_heads:
            allowed = f"a divisor of num_attention_heads ({self.heads}) is expected"
            raise InputError("num_key_value_heads", self.kv_heads, allowed)
        if self.head_width % 2:
            raise InputError("head_dim", self.head_width, "rotary positions need an even number")

    def _check_positions(self, variant: Variant) -> None:
        check_choice("rope_type", self.rope.kind, variant.ropes)
        if (self.local_rope is None) != (variant.local_theta is None):
            allowed = "only layers with a window of some model types have their own, and need it"
            raise InputError("local_rope", self.local_rope, allowed)
        if self.rope.kind == "longrope" and len(self.rope.short) != self.rotary_width // 2:
            allowed = f"a list of {self.rotary_width // 2} numbers is expected"
            raise InputError("short_factor", self.rope.short, allowed)
        if self.partial_rotary > 1 or self.rotary_width % 2 or not self.rotary_width:
            allowed = f"a share of {self.head_width} that is an even number above 0 is expected"
            raise InputError(
                variant.names.get("partial_rotary", "partial_rotary"), self.partial_rotary, allowed
            )
