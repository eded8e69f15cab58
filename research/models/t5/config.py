"""What a config.json of the T5 family means, and what of it is not supported."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import log
from typing import Any, ClassVar

import numpy as np

from research.common.errors import InputError, choose_from
from research.models.checkpoint.config_fields import check_field, check_fixed

# Our field and what a Hugging Face config.json calls it.
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

# Fields that would change the computation, and the values under which they do not. Dropout is a
# matter of the method that trains.
FIXED: dict[str, tuple[Any, ...]] = {
    "is_encoder_decoder": (True, None),
    "is_decoder": (False, None),
    "tie_encoder_decoder": (False, None),
    "quantization_config": (None,),
}

# The MLPs: whether `feed_forward_proj` is gated, and its activation by the name in transformers.
MLPS = {"relu": (False, "relu"), "gated-gelu": (True, "gelu_new")}
MLP_DEFAULTS = {"t5": "relu", "mt5": "gated-gelu"}


@dataclass(frozen=True)
class T5Config:
    """Sizes and switches of a T5. Raises InputError for values that do not fit together.

    tied: whether the table of embeddings is the head too. scaled: whether the head reads hidden
    states times D^-1/2, as in T5 1.0.
    """

    vocab_size: int
    width: int
    layers: int  # of the encoder
    decoder_layers: int
    heads: int
    head_width: int
    hidden: int
    buckets: int = 32  # of offsets between positions
    max_distance: int = 128  # positions from here on share a bucket
    norm_eps: float = 1e-6
    gated: bool = False
    tied: bool = True
    scaled: bool = True
    start_token: int = 0  # what the decoder reads first

    context: ClassVar[None] = None  # any number of positions works

    def __post_init__(self):
        for ours in (*SIZES, "decoder_layers", "buckets", "max_distance"):
            check_field(NAMES[ours], getattr(self, ours), int)
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

        names: the checkpoint's tensors. transformers 5 writes every config as tied, and what tells
        T5 1.1 from 1.0 there is that its outputs are not scaled and that it has a head. Raises
        InputError for a missing size and for whatever would change the computation in a way that
        is not supported.
        """
        check_fixed(config, FIXED)
        given = {ours: config[name] for ours, name in NAMES.items() if config.get(name) is not None}
        for ours in SIZES:
            if ours not in given:
                raise InputError(NAMES[ours], None, "config.json must have it")
        given.setdefault("decoder_layers", given["layers"])
        if config.get("pad_token_id") is not None:  # where T5 begins unless it is told otherwise
            given.setdefault("start_token", config["pad_token_id"])
        tie = config.get("tie_word_embeddings")
        tie = True if tie is None else tie
        check_field("tie_word_embeddings", tie, bool)
        multilingual = config.get("model_type") == "mt5"  # its outputs are never scaled
        given["scaled"] = not multilingual and given.get("scaled", tie)
        given["tied"] = tie and (given["scaled"] or "lm_head.weight" not in names)
        return cls(gated=_gated(config), **given)

    def offset_buckets(self, causal: bool) -> np.ndarray:
        """[2 M + 1] int: the bucket of each offset, key minus query, from -M to M = max_distance.

        Raffel et al. 2020 (arXiv 1910.10683), section 2.1: near offsets have a bucket each, those
        further off share ever larger ones. causal: no bucket is spent on later keys; else half of
        them are. In numpy and float32, so that no compiler moves the edge of a bucket.
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
        which agrees with it in every T5 that was published.
        """
        return {
            "architectures": ["T5ForConditionalGeneration"],
            "model_type": "t5",
            "is_encoder_decoder": True,
            "feed_forward_proj": "gated-gelu" if self.gated else "relu",
            "tie_word_embeddings": self.tied,
            **{name: getattr(self, ours) for ours, name in NAMES.items()},
        }


def _gated(config: Mapping[str, Any]) -> bool:
    """Whether the MLP is gated; what transformers derives from its name has to agree."""
    default = MLP_DEFAULTS[config.get("model_type", "t5")]
    name = config.get("feed_forward_proj", default)
    if name not in list(MLPS):
        raise InputError("feed_forward_proj", name, choose_from(MLPS, str(name)))
    gated, activation = MLPS[name]
    for field, derived in {"is_gated_act": gated, "dense_act_fn": activation}.items():
        if config.get(field) not in (derived, None):
            allowed = f"{derived!r} is expected, since feed_forward_proj is {name!r}"
            raise InputError(field, config[field], allowed)
    return gated
