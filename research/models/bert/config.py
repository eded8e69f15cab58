"""The config of a BERT or RoBERTa encoder, from and to a config.json."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from research.common.errors import InputError, check_choice
from research.models.bert.classes import CLASS_PREFIX, OTHER_HEADS, class_parts
from research.models.checkpoint.config_fields import check_field, check_fixed, config_values
from research.models.layers.mlp import ACTIVATIONS

# Our name of a field and its name in a Hugging Face config.json.
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

# Fields that would change the computation, and the supported values. Dropout is not among them: it
# is a setting of the training method.
FIXED: dict[str, tuple[Any, ...]] = {
    "position_embedding_type": ("absolute", None),
    "is_decoder": (False, None),
    "add_cross_attention": (False, None),
    "is_encoder_decoder": (False, None),
    "pruned_heads": ({}, None),
    "quantization_config": (None,),
}


@dataclass(frozen=True)
class EncoderConfig:
    """Sizes and switches of an encoder. Raises InputError for values that do not fit together.

    Attributes:
        family: bert or roberta.
        vocab_size: number of tokens.
        width: of the hidden states, D.
        layers: number of layers.
        heads: number of attention heads, H.
        hidden: width inside the MLP.
        rows: of the position table.
        offset: the row of the first position.
        types: number of token types (segments).
        activation: of the MLP, a name in `ACTIVATIONS`.
        norm_eps: epsilon of the norms.
        masked_lm: whether there is a head that predicts masked tokens.
        pooler: whether there is a pooler.
        classes: of the classification head; 0 without one.
    """

    family: str
    vocab_size: int
    width: int
    layers: int
    heads: int
    hidden: int
    rows: int
    offset: int = 0
    types: int = 2
    activation: str = "gelu"
    norm_eps: float = 1e-12
    masked_lm: bool = False
    pooler: bool = False
    classes: int = 0

    def __post_init__(self):
        for field in SIZES:
            check_field(NAMES[field], getattr(self, field), int)
        check_field("layer_norm_eps", self.norm_eps, float)
        if self.width % self.heads:
            allowed = f"a multiple of num_attention_heads ({self.heads}) is expected"
            raise InputError("hidden_size", self.width, allowed)
        if self.rows <= self.offset:
            allowed = f"above {self.offset} is expected, since positions start at pad_token_id + 1"
            raise InputError("max_position_embeddings", self.rows, allowed)
        check_choice("hidden_act", self.activation, ACTIVATIONS)

    @classmethod
    def from_hf(
        cls, config: Mapping[str, Any], parts: Collection[str] | None = None
    ) -> "EncoderConfig":
        """From the fields of a config.json; missing ones take the defaults of transformers.

        Args:
            config: the fields of a config.json.
            parts: which of masked_lm, pooler and classes the checkpoint has; None for the parts of
                the class that `architectures` names.

        Raises InputError for a missing size and for a setting of the computation that is not
        supported.
        """
        check_fixed(config, FIXED)
        values = config_values(config, NAMES, SIZES[:-1])
        family = config["model_type"]
        named_parts = class_parts(config, family)  # raises for other classes
        parts = named_parts if parts is None else parts
        if config.get("architectures") and str(config["architectures"][0]).endswith(OTHER_HEADS):
            parts = [part for part in parts if part != "classes"]  # the head is for another task
        if "masked_lm" in parts:
            check_fixed(config, {"tie_word_embeddings": (True,)})
        return cls(
            family,
            **values,
            offset=_pad(config) + 1 if family == "roberta" else 0,
            masked_lm="masked_lm" in parts,
            pooler="pooler" in parts,
            classes=_classes(config) if "classes" in parts else 0,
        )

    @property
    def head_width(self) -> int:
        """The width of an attention head, K."""
        return self.width // self.heads

    @property
    def context(self) -> int:
        """The maximum number of positions."""
        return self.rows - self.offset

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json.

        Raises InputError for a classification head without a pooler, which transformers lacks for
        BERT.
        """
        head = "ForMaskedLM" if self.masked_lm else "Model"
        fields = {name: getattr(self, field) for field, name in NAMES.items()}
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


def _pad(config: Mapping[str, Any]) -> int:
    """The id of RoBERTa's padding token, after which positions start; 1 by default."""
    pad = config.get("pad_token_id", 1)
    if isinstance(pad, bool) or not isinstance(pad, int) or pad < 0:
        raise InputError("pad_token_id", pad, "positions start after it, so an id is expected")
    return pad


def _classes(config: Mapping[str, Any]) -> int:
    """The number of classes in a config.json; without one 2, the default of transformers."""
    labels, number = config.get("id2label"), config.get("num_labels")
    if labels is not None and (not isinstance(labels, Mapping) or not labels):
        raise InputError("id2label", labels, "an object with one entry per class is expected")
    classes = len(labels) if labels else 2 if number is None else number
    check_field("num_labels", classes, int)
    if number not in (None, classes):
        raise InputError("num_labels", number, f"id2label has {classes} entries")
    return classes
