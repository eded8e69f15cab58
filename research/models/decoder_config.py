"""What a config.json of the Llama family means, and what of it is not supported."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import Any

import jax
import jax.numpy as jnp

from research.errors import InputError

# Our field and what a Hugging Face config.json calls it.
NAMES = {
    "vocab_size": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
    "hidden": "intermediate_size",
    "context": "max_position_embeddings",
    "rope_theta": "rope_theta",
    "norm_eps": "rms_norm_eps",
    "tied": "tie_word_embeddings",
    "attention_bias": "attention_bias",
    "mlp_bias": "mlp_bias",
}

# Fields that would change the computation, and the values under which they do not.
FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "pretraining_tp": (1, None),
    "attention_dropout": (0.0, None),
    "partial_rotary_factor": (1.0, None),
    "sliding_window": (None,),
    "quantization_config": (None,),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
}


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes and switches of a decoder. Raises InputError for values that do not fit together."""

    vocab_size: int
    width: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    hidden: int
    context: int
    rope_theta: float = 10000.0
    norm_eps: float = 1e-6
    tied: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False

    def __post_init__(self):
        for field in fields(self):
            _check(NAMES[field.name], getattr(self, field.name), field.type)
        if self.width % self.heads:
            allowed = f"a multiple of num_attention_heads ({self.heads}) is expected"
            raise InputError("hidden_size", self.width, allowed)
        if self.heads % self.kv_heads:
            allowed = f"a divisor of num_attention_heads ({self.heads}) is expected"
            raise InputError("num_key_value_heads", self.kv_heads, allowed)
        if self.head_width % 2:
            raise InputError("head_dim", self.head_width, "rotary positions need an even number")

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "DecoderConfig":
        """From the fields of a config.json; missing ones take the defaults of `LlamaConfig`.

        Raises InputError for a missing size and for whatever would change the computation in a
        way that is not supported.
        """
        for name, allowed in FIXED.items():
            if name in config and config[name] not in allowed:
                raise InputError(name, config[name], f"only {allowed[0]!r} is supported")
        given = {ours: config[name] for ours, name in NAMES.items() if config.get(name) is not None}
        given["rope_theta"] = _rope_theta(config)
        for ours in ("vocab_size", "width", "layers", "heads", "hidden", "context"):
            if ours not in given:
                raise InputError(NAMES[ours], config.get(NAMES[ours]), "config.json must have it")
            _check(NAMES[ours], given[ours], int)
        given.setdefault("kv_heads", given["heads"])
        given.setdefault("head_width", given["width"] // given["heads"])
        return cls(**given)

    def frequencies(self) -> jax.Array:
        """Angle per position [K / 2] of each pair of a head: theta^(-2i / K)."""
        exponents = jnp.arange(0, self.head_width, 2, dtype=jnp.float32) / self.head_width
        return 1.0 / self.rope_theta**exponents

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json; rope_theta stands where transformers 4 and 5 look for it."""
        return {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "hidden_act": "silu",
            "rope_parameters": {"rope_type": "default", "rope_theta": self.rope_theta},
            **{name: getattr(self, ours) for ours, name in NAMES.items()},
        }


def _check(name: str, value: Any, kind: Any) -> None:
    if kind is bool:
        if not isinstance(value, bool):
            raise InputError(name, value, "true or false is expected")
    elif isinstance(value, bool) or not isinstance(value, int | kind) or not 0 < value < inf:
        what = "whole number" if kind is int else "number"
        raise InputError(name, value, f"a {what} above 0 is expected")


def _rope_theta(config: Mapping[str, Any]) -> float:
    """The one rotary base that config.json names, wherever it stands."""
    given = {"rope_theta": config.get("rope_theta")}
    for name in ("rope_parameters", "rope_scaling"):
        rope = config.get(name) or {}
        if not isinstance(rope, Mapping):
            raise InputError(name, rope, "an object with rope_type and rope_theta is expected")
        kind = rope.get("rope_type", rope.get("type", "default"))
        if kind != "default":
            raise InputError(f"{name}.rope_type", kind, "only 'default' is supported")
        if rope.get("partial_rotary_factor") not in FIXED["partial_rotary_factor"]:
            factor = rope["partial_rotary_factor"]
            raise InputError(f"{name}.partial_rotary_factor", factor, "only 1.0 is supported")
        given[f"{name}.rope_theta"] = rope.get("rope_theta")
    given = {name: theta for name, theta in given.items() if theta is not None}
    for name, theta in given.items():
        _check(name, theta, float)
    if len(set(given.values())) > 1:
        raise InputError("rope_theta", given, "all must be equal")
    return float(next(iter(given.values()), 10000.0))
