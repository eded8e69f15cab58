"""What a config.json of the Llama family means, and what of it is not supported."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from research.common.errors import InputError, choose_from
from research.models.checkpoint.config_fields import check_field, check_fixed
from research.models.layers.rope import Rope
from research.models.llama.variants import FAMILIES

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
    "rope_interleaved": (False, None),
    "use_mrope": (False, None),
    "quantization_config": (None,),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
}


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes and switches of a decoder. Raises InputError for values that do not fit together.

    window: how many positions, its own included, a query sees in the layers `windowed`.
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

    def __post_init__(self):
        if self.model_type not in FAMILIES:
            allowed = choose_from(FAMILIES, str(self.model_type))
            raise InputError("model_type", self.model_type, allowed)
        for field in fields(self):
            if field.name in NAMES:
                check_field(NAMES[field.name], getattr(self, field.name), field.type)
        check_fixed(self._named(), FAMILIES[self.model_type].fixed)
        self._check_windows()
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
        """From the fields of a config.json; missing ones take the defaults of its model type.

        Raises InputError for a missing size and for whatever would change the computation in a
        way that is not supported.
        """
        kind = config.get("model_type", "llama")
        if kind not in FAMILIES:
            raise InputError("model_type", kind, choose_from(FAMILIES, str(kind)))
        config = {**FAMILIES[kind].defaults, **config}
        check_fixed(config, {**FIXED, **FAMILIES[kind].fixed})
        given = {ours: config[name] for ours, name in NAMES.items() if config.get(name) is not None}
        for ours in ("vocab_size", "width", "layers", "heads", "hidden", "context"):
            if ours not in given:
                raise InputError(NAMES[ours], config.get(NAMES[ours]), "config.json must have it")
            check_field(NAMES[ours], given[ours], int)
        given.setdefault("kv_heads", given["heads"])
        given.setdefault("head_width", given["width"] // given["heads"])
        window, windowed = FAMILIES[kind].windows_of(config, given["layers"])
        rope = Rope.from_hf(config)
        return cls(**given, rope=rope, model_type=kind, window=window, windowed=windowed)

    @property
    def out_bias(self) -> bool:
        """Whether the output of attention has a bias."""
        return self.attention_bias and self.model_type != "qwen2"

    @property
    def head_norm(self) -> float | None:
        """Epsilon of the norm of query and key heads, if there is one."""
        return self.norm_eps if self.model_type == "qwen3" else None

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json."""
        family = FAMILIES[self.model_type]
        return {
            "architectures": [family.architecture],
            "model_type": self.model_type,
            "hidden_act": "silu",
            **self.rope.to_hf(),
            **{name: x for name, x in self._named().items() if name not in family.fixed},
            **family.windows_to_hf(self.window, self.windowed, self.layers),
        }

    def _named(self) -> dict[str, Any]:
        return {name: getattr(self, ours) for ours, name in NAMES.items()}

    def _check_windows(self) -> None:
        every = tuple(range(self.layers))
        if self.window is not None:
            check_field("sliding_window", self.window, int)
        if (self.window is None) != (self.windowed == ()):
            raise InputError("windowed", self.windowed, "layers go with a window, and it with them")
        if self.windowed != tuple(layer for layer in every if layer in self.windowed):
            raise InputError("windowed", self.windowed, "layers in rising order are expected")
        allowed = {"none": [()], "all": [(), every]}.get(FAMILIES[self.model_type].windows)
        if allowed is not None and self.windowed not in allowed:
            raise InputError("windowed", self.windowed, f"{self.model_type} cannot have these")
