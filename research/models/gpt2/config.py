"""The config of a GPT-2, from and to a config.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from research.common.errors import InputError, check_choice
from research.models.checkpoint.config_fields import check_field, check_fixed, config_values
from research.models.layers.mlp import ACTIVATIONS

# Our name of a field and its name in a Hugging Face config.json.
NAMES = {
    "vocab_size": "vocab_size",
    "width": "n_embd",
    "layers": "n_layer",
    "heads": "n_head",
    "hidden": "n_inner",
    "context": "n_positions",
    "activation": "activation_function",
    "norm_eps": "layer_norm_epsilon",
    "tied": "tie_word_embeddings",
}
SIZES = ("vocab_size", "width", "layers", "heads", "context")  # config.json must have them

# Fields that would change the computation, and the supported values. Two others change nothing
# here: `reorder_and_upcast_attn` asks for scores in float32, which is always the case here, and
# dropout is a setting of the training method.
FIXED: dict[str, tuple[Any, ...]] = {
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False, None),
    "add_cross_attention": (False, None),
    "is_encoder_decoder": (False, None),
    "quantization_config": (None,),
}


@dataclass(frozen=True)
class GPT2Config:
    """Sizes and switches of a GPT-2. Raises InputError for values that do not fit together.

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
    """

    vocab_size: int
    width: int
    layers: int
    heads: int
    hidden: int
    context: int
    activation: str = "gelu_new"
    norm_eps: float = 1e-5
    tied: bool = True

    def __post_init__(self):
        for field in (*SIZES, "hidden"):
            check_field(NAMES[field], getattr(self, field), int)
        check_field("layer_norm_epsilon", self.norm_eps, float)
        check_field("tie_word_embeddings", self.tied, bool)
        if self.width % self.heads:
            allowed = f"a multiple of n_head ({self.heads}) is expected"
            raise InputError("n_embd", self.width, allowed)
        check_choice("activation_function", self.activation, ACTIVATIONS)

    @property
    def head_width(self) -> int:
        """The width of an attention head, K."""
        return self.width // self.heads

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "GPT2Config":
        """From the fields of a config.json; missing ones take the defaults of transformers.

        Raises InputError for a missing size and for a setting of the computation that is not
        supported.
        """
        check_fixed(config, FIXED)
        if config.get("n_positions") is None:  # the first checkpoints name it n_ctx
            config = {**config, "n_positions": config.get("n_ctx")}
        values = config_values(config, NAMES, SIZES)
        values.setdefault("hidden", 4 * values["width"])
        return cls(**values)

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json."""
        return {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            **{name: getattr(self, field) for field, name in NAMES.items()},
        }
