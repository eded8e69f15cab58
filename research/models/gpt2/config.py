"""What a config.json of GPT-2 means, and what of it is not supported."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from research.common.errors import InputError, choose_from
from research.models.checkpoint.config_fields import check_field, check_fixed
from research.models.layers.mlp import ACTIVATIONS

# Our field and what a Hugging Face config.json calls it.
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

# Fields that would change the computation, and the values under which they do not. Two others
# change nothing here: `reorder_and_upcast_attn` asks for scores in float32, which they always are,
# and dropout is a matter of the method that trains.
FIXED: dict[str, tuple[Any, ...]] = {
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False, None),
    "add_cross_attention": (False, None),
    "is_encoder_decoder": (False, None),
    "quantization_config": (None,),
}


@dataclass(frozen=True)
class GPT2Config:
    """Sizes and switches of a GPT-2. Raises InputError for values that do not fit together."""

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
        for ours in (*SIZES, "hidden"):
            check_field(NAMES[ours], getattr(self, ours), int)
        check_field("layer_norm_epsilon", self.norm_eps, float)
        check_field("tie_word_embeddings", self.tied, bool)
        if self.width % self.heads:
            allowed = f"a multiple of n_head ({self.heads}) is expected"
            raise InputError("n_embd", self.width, allowed)
        if str(self.activation) not in ACTIVATIONS:
            allowed = choose_from(ACTIVATIONS, str(self.activation))
            raise InputError("activation_function", self.activation, allowed)

    @property
    def head_width(self) -> int:
        """Of every attention head."""
        return self.width // self.heads

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "GPT2Config":
        """From the fields of a config.json; missing ones take the defaults of transformers.

        Raises InputError for a missing size and for whatever would change the computation in a
        way that is not supported.
        """
        check_fixed(config, FIXED)
        given = {ours: config[name] for ours, name in NAMES.items() if config.get(name) is not None}
        if config.get("n_ctx") is not None:  # how the first checkpoints call it
            given.setdefault("context", config["n_ctx"])
        for ours in SIZES:
            if ours not in given:
                raise InputError(NAMES[ours], None, "config.json must have it")
            check_field(NAMES[ours], given[ours], int)
        given.setdefault("hidden", 4 * given["width"])
        return cls(**given)

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json."""
        return {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            **{name: getattr(self, ours) for ours, name in NAMES.items()},
        }
