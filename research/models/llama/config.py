"""The config of a decoder of the Llama family, from and to a config.json."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from research.common.errors import InputError, check_choice
from research.models.checkpoint.config_fields import check_field, check_fixed, config_values
from research.models.layers.mlp import ACTIVATIONS
from research.models.layers.rope import Rope
from research.models.llama.rope_fields import read_rope, rope_fields
from research.models.llama.variants import VARIANTS

# Our name of a field and its name in a Hugging Face config.json.
NAMES = {
    "vocab_size": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
    "hidden": "intermediate_size",
    "context": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
    "tied": "tie_word_embeddings",
    "attention_bias": "attention_bias",
    "mlp_bias": "mlp_bias",
}
REQUIRED = ("vocab_size", "width", "layers", "heads", "hidden", "context")

# Fields of `DecoderConfig` that a model type fixes; a config.json does not name them.
SWITCHES = (
    "activation",
    "out_bias",
    "head_norm",
    "norm_offset",
    "post_norms",
    "score_cap",
    "query_scale",
    "partial_rotary",
)

# Fields that would change the computation, and the supported values.
FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu", "swish"),
    "partial_rotary_factor": (1.0, None),
    "rope_interleaved": (False, None),
    "use_mrope": (False, None),
    "quantization_config": (None,),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
}


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
        norm_offset: added to the scales of all norms (Gemma: 1).
        post_norms: whether the outputs of attention and MLP have norms as well (Gemma 2).
        score_cap: limit of the attention scores by `soft_cap` (Gemma 2); None for no limit.
        query_scale: factor of the attention scores; None for K^-1/2.
        partial_rotary: share of a head's dimensions that the rotary positions rotate (Phi).
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
    norm_offset: float = 0.0
    post_norms: bool = False
    score_cap: float | None = None
    query_scale: float | None = None
    partial_rotary: float = 1.0

    def __post_init__(self):
        check_choice("model_type", self.model_type, VARIANTS)
        for field in fields(self):
            if field.name in NAMES:
                check_field(NAMES[field.name], getattr(self, field.name), field.type)
        check_fixed(self._named(), VARIANTS[self.model_type].fixed)
        VARIANTS[self.model_type].check_windows(self.window, self.windowed, self.layers)
        if self.width % self.heads:
            allowed = f"a multiple of num_attention_heads ({self.heads}) is expected"
            raise InputError("hidden_size", self.width, allowed)
        if self.heads % self.kv_heads:
            allowed = f"a divisor of num_attention_heads ({self.heads}) is expected"
            raise InputError("num_key_value_heads", self.kv_heads, allowed)
        if self.head_width % 2:
            raise InputError("head_dim", self.head_width, "rotary positions need an even number")
        self._check_switches()

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "DecoderConfig":
        """From the fields of a config.json; missing ones take the defaults of its model type.

        Raises InputError for a missing size and for a setting of the computation that is not
        supported.
        """
        kind = config.get("model_type", "llama")
        check_choice("model_type", kind, VARIANTS)
        variant = VARIANTS[kind]
        config = {**variant.defaults, **config}
        check_fixed(config, {**FIXED, **variant.fixed})
        values = config_values(config, NAMES, REQUIRED)
        values.setdefault("kv_heads", values["heads"])
        values.setdefault("head_width", values["width"] // values["heads"])
        window, windowed = variant.windows_of(config, values["layers"])
        rope = read_rope(config)
        if rope.kind == "longrope":  # further positions have other frequencies
            values["context"] = min(values["context"], rope.original)
        return cls(
            **values,
            **variant.switches,
            rope=rope,
            model_type=kind,
            window=window,
            windowed=windowed,
        )

    @property
    def has_out_bias(self) -> bool:
        """Whether the output of attention has a bias."""
        return self.attention_bias if self.out_bias is None else self.out_bias

    @property
    def rotary_width(self) -> int:
        """Dimensions of a head that the rotary positions rotate."""
        return int(self.head_width * self.partial_rotary)

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json. Raises InputError for a switch that `model_type` lacks."""
        variant = VARIANTS[self.model_type]
        defaults = {f.name: f.default for f in fields(self) if f.name in SWITCHES}
        for name, value in {**defaults, **variant.switches}.items():
            if getattr(self, name) != value:
                allowed = f"a config.json of {self.model_type} means {value!r}"
                raise InputError(name, getattr(self, name), allowed)
        return {
            "architectures": [variant.architecture],
            "model_type": self.model_type,
            "hidden_act": "silu",
            **rope_fields(self.rope),
            **{name: x for name, x in self._named().items() if name not in variant.fixed},
            **variant.windows_to_hf(self.window, self.windowed, self.layers),
        }

    def _named(self) -> dict[str, Any]:
        return {name: getattr(self, field) for field, name in NAMES.items()}

    def _check_switches(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)
        for name in ("score_cap", "query_scale", "partial_rotary"):
            if getattr(self, name) is not None:
                check_field(name, getattr(self, name), float)
        if self.rope.kind == "longrope" and len(self.rope.short) != self.rotary_width // 2:
            allowed = f"a list of {self.rotary_width // 2} numbers is expected"
            raise InputError("short_factor", self.rope.short, allowed)
        if self.partial_rotary > 1 or self.rotary_width % 2 or not self.rotary_width:
            allowed = f"a share of {self.head_width} that is an even number above 0 is expected"
            raise InputError("partial_rotary", self.partial_rotary, allowed)
