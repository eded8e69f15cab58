"""What a config.json of BERT or RoBERTa means, and what of it is not supported."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from research.common.errors import InputError, choose_from
from research.models.checkpoint.config_fields import check_field, check_fixed
from research.models.layers.mlp import ACTIVATIONS

# Our field and what a Hugging Face config.json calls it.
NAMES = {
    "vocab_size": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "hidden": "intermediate_size",
    "rows": "max_position_embeddings",
    "types": "type_vocab_size",
    "activation": "hidden_act",
    "norm_eps": "layer_norm_eps",
}
SIZES = ("vocab_size", "width", "layers", "heads", "hidden", "rows", "types")

# Fields that would change the computation, and the values under which they do not. Dropout is not
# among them: it is a matter of the method that trains.
FIXED: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "is_encoder_decoder": (False, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
}

CLASS_PREFIX = {"bert": "Bert", "roberta": "Roberta"}  # of the classes in transformers

# What a class of transformers has beside the layers. RoBERTa classifies without a pooler.
PARTS: dict[str, frozenset[str]] = {
    "BertModel": frozenset({"pooler"}),
    "BertForMaskedLM": frozenset({"masked_lm"}),
    "BertForPreTraining": frozenset({"masked_lm", "pooler"}),
    "BertForSequenceClassification": frozenset({"pooler", "classes"}),
    "RobertaModel": frozenset({"pooler"}),
    "RobertaForMaskedLM": frozenset({"masked_lm"}),
    "RobertaForSequenceClassification": frozenset({"classes"}),
}


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes and switches of an encoder. Raises InputError for values that do not fit together."""

    family: str  # bert or roberta
    vocab_size: int
    width: int
    layers: int
    heads: int
    hidden: int
    rows: int  # of the table of positions
    offset: int = 0  # the row of the first position
    types: int = 2
    activation: str = "gelu"
    norm_eps: float = 1e-12
    masked_lm: bool = False  # whether there is a head that predicts masked tokens
    pooler: bool = False
    classes: int = 0  # of the classification head; 0 if there is none

    def __post_init__(self):
        for ours in SIZES:
            check_field(NAMES[ours], getattr(self, ours), int)
        check_field("layer_norm_eps", self.norm_eps, float)
        if self.width % self.heads:
            allowed = f"a multiple of num_attention_heads ({self.heads}) is expected"
            raise InputError("hidden_size", self.width, allowed)
        if self.rows <= self.offset:
            allowed = f"above {self.offset} is expected, since positions start at pad_token_id + 1"
            raise InputError("max_position_embeddings", self.rows, allowed)
        if str(self.activation) not in ACTIVATIONS:
            allowed = choose_from(ACTIVATIONS, str(self.activation))
            raise InputError("hidden_act", self.activation, allowed)

    @classmethod
    def from_hf(
        cls, config: Mapping[str, Any], parts: Collection[str] | None = None
    ) -> "EncoderConfig":
        """From the fields of a config.json; missing ones take the defaults of transformers.

        parts: which of masked_lm, pooler and classes the checkpoint has, by default those that
        `architectures` has. Raises InputError for a missing size and for whatever would change the
        computation in a way that is not supported.
        """
        check_fixed(config, FIXED)
        given = {ours: config[name] for ours, name in NAMES.items() if config.get(name) is not None}
        for ours in SIZES[:-1]:
            if ours not in given:
                raise InputError(NAMES[ours], None, "config.json must have it")
        family = config["model_type"]
        usual = _parts(config, family)
        parts = usual if parts is None else parts
        if "masked_lm" in parts:
            check_fixed(config, {"tie_word_embeddings": (True,)})
        return cls(
            family,
            **given,
            offset=_pad(config) + 1 if family == "roberta" else 0,
            masked_lm="masked_lm" in parts,
            pooler="pooler" in parts,
            classes=_classes(config) if "classes" in parts else 0,
        )

    @property
    def head_width(self) -> int:
        """Of every attention head."""
        return self.width // self.heads

    @property
    def context(self) -> int:
        """The most positions."""
        return self.rows - self.offset

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json.

        Raises InputError for classes of a BERT without a pooler, which transformers has not.
        """
        head = "ForMaskedLM" if self.masked_lm else "Model"
        fields = {name: getattr(self, ours) for ours, name in NAMES.items()}
        if self.classes:
            if self.family == "bert" and not self.pooler:
                allowed = "a BERT without a pooler has no classification head in transformers"
                raise InputError("classes", self.classes, allowed)
            head = "ForSequenceClassification"
            labels = {str(index): f"LABEL_{index}" for index in range(self.classes)}
            ids = {label: int(index) for index, label in labels.items()}
            fields |= {"id2label": labels, "label2id": ids}
        if self.family == "roberta":
            fields["pad_token_id"] = self.offset - 1
        return {
            "architectures": [CLASS_PREFIX[self.family] + head],
            "model_type": self.family,
            "tie_word_embeddings": True,
            **fields,
        }


def _parts(config: Mapping[str, Any], family: str) -> frozenset[str]:
    """What the class in `architectures` has; without one, what the bare model has."""
    prefix = CLASS_PREFIX[family]
    known = [name for name in PARTS if name.startswith(prefix)]
    named = config.get("architectures") or [f"{prefix}Model"]
    if not isinstance(named, list) or len(named) != 1 or named[0] not in known:
        raise InputError("architectures", named, f"one of {', '.join(known)} is expected")
    return PARTS[named[0]]


def _pad(config: Mapping[str, Any]) -> int:
    """The padding token of a RoBERTa, after whose id its positions start; 1 by default."""
    pad = config.get("pad_token_id", 1)
    if isinstance(pad, bool) or not isinstance(pad, int) or pad < 0:
        raise InputError("pad_token_id", pad, "positions start after it, so an id is expected")
    return pad


def _classes(config: Mapping[str, Any]) -> int:
    """How many classes config.json names: 2, the default of transformers, if it is silent."""
    labels, number = config.get("id2label"), config.get("num_labels")
    if labels is not None and (not isinstance(labels, Mapping) or not labels):
        raise InputError("id2label", labels, "an object with one entry per class is expected")
    classes = len(labels) if labels else 2 if number is None else number
    check_field("num_labels", classes, int)
    if number not in (None, classes):
        raise InputError("num_labels", number, f"id2label has {classes} entries")
    return classes
