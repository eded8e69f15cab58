"""The config of a GPT-NeoX, from and to a config.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from research.common.errors import InputError, check_choice
from research.models.checkpoint.config_fields import check_field, check_fixed, config_values
from research.models.layers.mlp import ACTIVATIONS
from research.models.layers.rope import Rope
from research.models.layers.rope_fields import PARTIAL, read_rope, rope_fields, with_outer_rotary

# Our name of a field and its name in a Hugging Face config.json.
NAMES = {
    "vocab_size": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "context": "max_position_embeddings",
    "activation": "hidden_act",
    "norm_eps": "layer_norm_eps",
    "tied": "tie_word_embeddings",
    "bias": "attention_bias",
    "parallel": "use_parallel_residual",
    "rotary": "rotary_pct",
}
SIZES = ("vocab_size", "width", "layers", "heads", "hidden", "context")  # which must be there
SWITCHES = ("tied", "bias", "parallel")
ROPES = ("default", "linear", "dynamic")  # supported kinds

# Fields that would change the computation, and the supported values. Dropout is not among them: it
# is a setting of the training method.
FIXED: dict[str, tuple[Any, ...]] = {
    "rope_interleaved": (False, None),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
    "quantization_config": (None,),
}


@dataclass(frozen=True)
class GPTNeoXConfig:
    """Sizes and switches of a GPT-NeoX. Raises InputError for values that do not fit together.

    Attributes:
        vocab_size: number of tokens.
        width: of the hidden states, D.
        layers: number of layers.
        heads: number of attention heads, H.
        hidden: width inside the MLP.
        context: maximum number of positions.
        activation: of the MLP, a name in `ACTIVATIONS`.
        norm_eps: epsilon of the norms.
        tied: whether the token embeddings are also the output layer.
        bias: whether the layers of attention have biases.
        parallel: whether the MLP reads the input of the layer, not the output of attention.
        rotary: share of a head's dimensions that the rotary positions rotate.
        rope: frequencies of the rotary positions.
    """

    vocab_size: int
    width: int
    layers: int
    heads: int
    hidden: int
    context: int
    activation: str = "gelu"
    norm_eps: float = 1e-5
    tied: bool = False
    bias: bool = True
    parallel: bool = True
    rotary: float = 0.25
    rope: Rope = Rope()

    def __post_init__(self):
        for field in SIZES:
            check_field(NAMES[field], getattr(self, field), int)
        for field in SWITCHES:
            check_field(NAMES[field], getattr(self, field), bool)
        check_field("layer_norm_eps", self.norm_eps, float)
        check_field("rotary_pct", self.rotary, float)
        if self.width % self.heads:
            allowed = f"a multiple of num_attention_heads ({self.heads}) is expected"
            raise InputError("hidden_size", self.width, allowed)
        if self.rotary > 1 or self.rotary_width % 2 or not self.rotary_width:
            allowed = f"a share of {self.head_width} that is an even number above 0 is expected"
            raise InputError("rotary_pct", self.rotary, allowed)
        check_choice("hidden_act", self.activation, ACTIVATIONS)
        check_choice("rope_type", self.rope.kind, ROPES)

    @property
    def head_width(self) -> int:
        """The width of an attention head, K."""
        return self.width // self.heads

    @property
    def rotary_width(self) -> int:
        """Dimensions of a head that the rotary positions rotate."""
        return int(self.head_width * self.rotary)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "GPTNeoXConfig":
        """From the fields of a config.json; missing ones take the defaults of transformers.

        Raises InputError for a missing size and for a setting of the computation that is not
        supported.
        """
        check_fixed(config, FIXED)
        # The class has names of its own for the base and the share of rotary positions.
        base, share = config.get("rotary_emb_base"), config.get("rotary_pct")
        config = with_outer_rotary({**config, "rope_theta": base, PARTIAL: share})
        values = config_values({**config, "rotary_pct": config[PARTIAL]}, NAMES, SIZES)
        return cls(**values, rope=read_rope(config))

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json, for transformers 4 and 5."""
        rope = {name: x for name, x in rope_fields(self.rope).items() if name != "rope_theta"}
        rope["rope_parameters"] = {**rope["rope_parameters"], PARTIAL: self.rotary}
        return {
            "architectures": ["GPTNeoXForCausalLM"],
            "model_type": "gpt_neox",
            "rotary_emb_base": self.rope.theta,
            **rope,
            **{name: getattr(self, field) for field, name in NAMES.items()},
        }
