"""The config of the T5 family, from and to a config.json."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import log
from typing import Any, ClassVar

import numpy as np

from research.common.errors import InputError, check_choice
from research.models.checkpoint.config_fields import check_field, check_fixed, config_values

# Our name of a field and its name in a Hugging Face config.json.
NAMES = {
    "vocab_size": "vocab_size",
    "width": "d_model",
    "layers": "num_layers",
    "decoder_layers": "num_decoder_layers",
    "heads": "num_heads",
    "head_width": "d_kv",
    "hidden": "d_ff",
    "buckets": "relative_attention_num_buckets",
    "max_distance": "relative_attention_max_distance",
    "norm_eps": "layer_norm_epsilon",
    "scaled": "scale_decoder_outputs",
    "start_token": "decoder_start_token_id",
}
SIZES = ("vocab_size", "width", "layers", "heads", "head_width", "hidden")

# Fields that would change the computation, and the supported values. Dropout is a setting of the
# training method.
FIXED: dict[str, tuple[Any, ...]] = {
    "is_encoder_decoder": (True, None),
    "is_decoder": (False, None),
    "tie_encoder_decoder": (False, None),
    "quantization_config": (None,),
}

# `feed_forward_proj`: whether the MLP is gated, and its activation by the name in transformers.
MLPS = {"relu": (False, "relu"), "gated-gelu": (True, "gelu_new")}
MLP_DEFAULTS = {"t5": "relu", "mt5": "gated-gelu"}


@dataclass(frozen=True)
class T5Config:
    """Sizes and switches of a T5. Raises InputError for values that do not fit together.

    Attributes:
        vocab_size: number of tokens.
        width: of the hidden states, D.
        layers: number of layers of the encoder.
        decoder_layers: number of layers of the decoder.
        heads: number of attention heads, H.
        head_width: dimensions of a head, K.
        hidden: width inside the MLP.
        buckets: number of buckets of offsets between positions.
        max_distance: offset from which on all positions share a bucket.
        norm_eps: epsilon of the norms.
        gated: whether the MLP is gated.
        tied: whether the token embeddings are also the output layer.
        scaled: whether logits are multiplied by D^-1/2, as in T5 1.0.
        start_token: first input of the decoder.
        context: None, since any number of positions works.
    """

    vocab_size: int
    width: int
    layers: int
    decoder_layers: int
    heads: int
    head_width: int
    hidden: int
    buckets: int = 32
    max_distance: int = 128
    norm_eps: float = 1e-6
    gated: bool = False
    tied: bool = True
    scaled: bool = True
    start_token: int = 0

    context: ClassVar[None] = None

    def __post_init__(self):
        for field in (*SIZES, "decoder_layers", "buckets", "max_distance"):
            check_field(NAMES[field], getattr(self, field), int)
        check_field(NAMES["norm_eps"], self.norm_eps, float)
        check_field(NAMES["scaled"], self.scaled, bool)
        start = self.start_token
        whole = isinstance(start, int) and not isinstance(start, bool)
        if not whole or not 0 <= start < self.vocab_size:
            allowed = f"a token below vocab_size ({self.vocab_size}) is expected"
            raise InputError(NAMES["start_token"], start, allowed)
        if self.buckets < 4:
            raise InputError(NAMES["buckets"], self.buckets, "at least 4 are needed")
        if self.max_distance <= self.buckets // 2:
            allowed = f"more than half of {NAMES['buckets']} ({self.buckets}) is expected"
            raise InputError(NAMES["max_distance"], self.max_distance, allowed)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], names: Collection[str] = ()) -> "T5Config":
        """From the fields of a config.json; missing ones take the defaults of transformers.

        transformers 5 writes every config as tied. There T5 1.1 differs from 1.0 in that its
        outputs are not scaled and that it has a head.

        Args:
            config: the fields of a config.json.
            names: names of the checkpoint's tensors.

        Raises InputError for a missing size and for a setting of the computation that is not
        supported.
        """
        check_fixed(config, FIXED)
        values = config_values(config, NAMES, SIZES)
        values.setdefault("decoder_layers", values["layers"])
        if config.get("pad_token_id") is not None:  # the default of `decoder_start_token_id`
            values.setdefault("start_token", config["pad_token_id"])
        tie = config.get("tie_word_embeddings")
        tie = True if tie is None else tie
        check_field("tie_word_embeddings", tie, bool)
        multilingual = config.get("model_type") == "mt5"  # never scales its outputs
        values["scaled"] = not multilingual and values.get("scaled", tie)
        values["tied"] = tie and (values["scaled"] or "lm_head.weight" not in names)
        return cls(gated=_gated(config), **values)

    def offset_buckets(self, causal: bool) -> np.ndarray:
        """[2 M + 1] int: the bucket of each offset, key minus query, from -M to M = max_distance.

        Raffel et al. 2020 (arXiv 1910.10683), section 2.1: each small offset has its own bucket,
        larger offsets share buckets of growing size. Computed by numpy in float32, so that no
        compiler moves the edge of a bucket.

        Args:
            causal: True for no buckets of later keys; False for half of all.
        """
        offsets = np.arange(-self.max_distance, self.max_distance + 1)
        count = self.buckets if causal else self.buckets // 2
        distances = np.maximum(-offsets, 0) if causal else np.abs(offsets)
        exact = count // 2
        ratios = np.maximum(distances, exact).astype(np.float32) / np.float32(exact)
        logs = np.log(ratios) / np.float32(log(self.max_distance / exact))
        far = exact + (logs * np.float32(count - exact)).astype(int)
        buckets = np.where(distances < exact, distances, np.minimum(far, count - 1))
        return buckets if causal else buckets + count * (offsets > 0)

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json.

        Versions of transformers before 5 take `scale_decoder_outputs` from `tie_word_embeddings`,
        which is equal in every published T5.
        """
        return {
            "architectures": ["T5ForConditionalGeneration"],
            "model_type": "t5",
            "is_encoder_decoder": True,
            "feed_forward_proj": "gated-gelu" if self.gated else "relu",
            "tie_word_embeddings": self.tied,
            **{name: getattr(self, field) for field, name in NAMES.items()},
        }


def _gated(config: Mapping[str, Any]) -> bool:
    """Whether the MLP is gated. Raises InputError if fields that transformers derives differ."""
    default = MLP_DEFAULTS[config.get("model_type", "t5")]
    name = config.get("feed_forward_proj", default)
    check_choice("feed_forward_proj", name, MLPS)
    gated, activation = MLPS[name]
    for field, derived in {"is_gated_act": gated, "dense_act_fn": activation}.items():
        if config.get(field) not in (derived, None):
            allowed = f"{derived!r} is expected, since feed_forward_proj is {name!r}"
            raise InputError(field, config[field], allowed)
    return gated
