"""T5 (Raffel et al. 2020, arXiv 1910.10683), its version 1.1 and mT5: an encoder and a decoder."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from research.models.checkpoint.key_map import KeyMap
from research.models.layers.key_value_memory import KeyValueMemory
from research.models.layers.linear import output_head, token_table
from research.models.model import HEAD, Model, Route
from research.models.t5.checkpoint_keys import GATED, PLAIN
from research.models.t5.config import T5Config
from research.models.t5.encoder import T5Encoder, is_encoder
from research.models.t5.stack import T5Stack


class T5(Model):
    """A model whose decoder attends to the encoded prompt; see `Model`.

    Only differences of positions matter. Positions may be [1, T] if all rows have the same ones:
    the biases of attention are then computed only once.
    """

    config: T5Config

    ROUTE: ClassVar[Route] = "seq2seq"
    DROPS: ClassVar[bool] = True
    KEY_MAP: ClassVar[KeyMap] = PLAIN

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], names: Collection[str] = ()) -> "T5 | T5Encoder":
        if is_encoder(config, names):
            return T5Encoder.from_hf(config, names)
        t5_config = T5Config.from_hf(config, names)
        return GatedT5(t5_config) if t5_config.gated else T5(t5_config)

    def setup(self):
        config = self.config
        self.table = token_table(config)
        self.encoder = T5Stack(config, decodes=False)
        self.decoder = T5Stack(config, decodes=True)
        self.head = output_head(config)

    @property
    def depths(self) -> tuple[int, ...]:
        return self.config.layers, self.config.decoder_layers

    def encode(
        self, inputs: Array, positions: Array, valid: Array, memories: Sequence[KeyValueMemory] = ()
    ) -> Array:
        """The encoder's hidden states [B, S, D].

        Every position attends to all valid positions, those of the memories included.
        """
        hidden, _ = self.encoder(self.embedded(inputs), positions, valid, memories)
        return hidden

    def cross_memories(self, hidden: Array, positions: Array, valid: Array) -> KeyValueMemory:
        """Keys and values of the decoder's cross-attention for encoded inputs [B, S, D]."""
        keys, values = zip(*self.decoder.cross_memories(hidden), strict=True)
        return KeyValueMemory(keys, values, valid, jnp.broadcast_to(positions, valid.shape))

    def __call__(
        self,
        inputs: Array,
        positions: Array,
        valid: Array,
        memories: Sequence[KeyValueMemory] = (),
        cross: KeyValueMemory | None = None,
    ) -> tuple[Array, KeyValueMemory]:
        """(hidden [B, T, D] of the decoder, keys and values of these positions).

        Args:
            inputs: [B, T] tokens of the decoder, or [B, T, D] embeddings.
            positions: [B, T] int32.
            valid: [B, T] bool, False on padding, which nothing attends to.
            memories: keys and values of the decoder's earlier positions.
            cross: as from `cross_memories`; its b rows serve B rows. None is allowed only while
                parameters are initialized: the inputs are then encoded as well.

        Raises ValueError if `cross` is None otherwise.
        """
        if cross is None:
            if not self.is_initializing():
                raise ValueError("the decoder needs `cross`, as from `cross_memories`")
            cross = self.cross_memories(self.encode(inputs, positions, valid), positions, valid)
        embedded = self.embedded(inputs)
        hidden, memory = self.decoder(embedded, positions, valid, memories, cross)
        if self.is_initializing():
            self.logits(hidden)
        return hidden, memory

    def logits(self, hidden: Array) -> Array:
        """Logits [..., V] in float32, for hidden states [..., D]; T5 1.0 scales them by D^-1/2."""
        raw = super().logits(hidden)
        return raw * self.config.width**-0.5 if self.config.scaled else raw

    def untied(self, leaves: Mapping[str, Any]) -> tuple[Model, dict[str, Any]]:
        """As in `Model`; the output layer takes the scale, since transformers 4 scales the logits
        of tied models alone.
        """
        model, leaves = super().untied(leaves)
        if not self.config.scaled:
            return model, leaves
        config = replace(model.config, scaled=False)
        scaled = leaves[HEAD] * np.float32(self.config.width**-0.5)
        return model.clone(config=config, parent=None), {**leaves, HEAD: scaled}


class GatedT5(T5):
    """T5 1.1 and mT5, whose MLP is gated; see `T5`."""

    KEY_MAP: ClassVar[KeyMap] = GATED
