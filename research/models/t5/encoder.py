"""The encoder of T5 or mT5 alone, as sentence encoders use it; transformers' `T5EncoderModel`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from jax import Array

from research.models.checkpoint.key_map import KeyMap
from research.models.layers.attention import take_positions
from research.models.layers.key_value_memory import KeyValueMemory
from research.models.layers.linear import token_table
from research.models.model import Model, Route
from research.models.t5.checkpoint_keys import GATED, PLAIN
from research.models.t5.config import NAMES, T5Config
from research.models.t5.stack import T5Stack

CLASSES = ("T5EncoderModel", "MT5EncoderModel")  # in transformers

# Fields of a config.json that say nothing about the encoder.
DECODER_FIELDS = {
    "is_encoder_decoder",
    "tie_encoder_decoder",
    "tie_word_embeddings",
    "pad_token_id",
    *(NAMES[field] for field in ("decoder_layers", "scaled", "start_token")),
}


def is_encoder(config: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether a checkpoint is an encoder without a decoder.

    Args:
        config: the fields of its config.json.
        names: names of its tensors; none if they are not known.
    """
    if config.get("architectures") in [[name] for name in CLASSES]:
        return True
    return bool(names) and not any(name.startswith("decoder.block.") for name in names)


@dataclass(frozen=True)
class T5EncoderConfig(T5Config):
    """Sizes and switches of an encoder; the fields of the decoder have fixed values.

    Attributes:
        types: number of token types (segments).
        masked_lm: whether there is a head that predicts masked tokens.
    """

    types: ClassVar[int] = 1
    masked_lm: ClassVar[bool] = False

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], names: Collection[str] = ()) -> "T5EncoderConfig":
        """From the fields of a config.json, see `T5Config`."""
        del names
        fields = {name: x for name, x in config.items() if name not in DECODER_FIELDS}
        values = vars(T5Config.from_hf(fields))
        return cls(**{**values, "tied": True, "scaled": True})

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json."""
        fields = {n: x for n, x in super().to_hf().items() if n not in DECODER_FIELDS}
        return {**fields, "architectures": [CLASSES[0]], "is_encoder_decoder": False}


def _encoder_keys(whole: KeyMap) -> KeyMap:
    """The keys of the encoder; a checkpoint may also have the decoder, which is ignored."""
    keys = [key for key in whole.keys if key.leaf.startswith(("embed/", "encoder/"))]
    tables = {name: table for name, table in whole.copies.items() if name.startswith("encoder.")}
    ignored = [key.tensor for key in whole.keys if key not in keys] + list(whole.copies)
    ignored = [name for name in ignored if name not in tables]
    return KeyMap(tuple(keys), tables, (*whole.ignored, *ignored))


class T5Encoder(Model):
    """A model in which every position attends to every other; see `Model`.

    It has no masked-LM head, so a classification head reads its hidden states. transformers has no
    class for both, nor does its encoder read keys and values that stand before its own.
    """

    config: T5EncoderConfig

    ROUTE: ClassVar[Route] = "masked"
    DROPS: ClassVar[bool] = True
    KEY_MAP: ClassVar[KeyMap] = _encoder_keys(PLAIN)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], names: Collection[str] = ()) -> "T5Encoder":
        encoder_config = T5EncoderConfig.from_hf(config, names)
        family = GatedT5Encoder if encoder_config.gated else T5Encoder
        return family(encoder_config)

    def setup(self):
        self.table = token_table(self.config)
        self.encoder = T5Stack(self.config, decodes=False)

    def __call__(
        self,
        inputs: Array,
        positions: Array,
        valid: Array,
        types: Array | None = None,
        memories: Sequence[KeyValueMemory] = (),
        at: Array | None = None,
    ) -> Array:
        """Hidden states [B, T, D] after the final norm, or [B, L, D] with `at`.

        Every position attends to every valid position of the inputs and of the memories.

        Args:
            inputs: [B, T] tokens or [B, T, D] embeddings.
            positions: [B, T] int32; only their differences matter.
            valid: [B, T] bool, False on padding, which nothing attends to.
            types: not read, since there is one segment.
            memories: keys and values of earlier positions.
            at: [B, L] slots whose hidden states are wanted; None for all.
        """
        del types
        hidden, _ = self.encoder(self.embedded(inputs), positions, valid, memories)
        return take_positions(hidden, at)

    def logits(self, hidden: Array) -> Array:
        """Raises ValueError, since there is no output layer."""
        raise ValueError("an encoder of T5 has no output layer to give logits")

    def features(self, hidden: Array) -> Array:
        """[B, D] of hidden states [B, T, D]: the first position."""
        return hidden[:, 0]


class GatedT5Encoder(T5Encoder):
    """The encoder of T5 1.1 or mT5, whose MLP is gated; see `T5Encoder`."""

    KEY_MAP: ClassVar[KeyMap] = _encoder_keys(GATED)
