"""T5 (Raffel et al. 2020, arXiv 1910.10683), its version 1.1 and mT5: an encoder and a decoder."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from research.models.checkpoint.key_map import KeyMap
from research.models.layers.attention import (
    INITIAL,
    Attention,
    KeyValueMemory,
    Source,
    causal,
    output_head,
    token_table,
)
from research.models.layers.dropout import Dropout
from research.models.layers.mlp import MLP
from research.models.model import Model, Route
from research.models.t5.checkpoint_keys import GATED, PLAIN
from research.models.t5.config import T5Config


class Block(nn.Module):
    """One layer: attention, cross-attention in a decoder, MLP; each with norm, dropout, residual.

    Attention scores are not scaled: the weights of T5 are drawn small enough.
    """

    config: T5Config
    decodes: bool

    def setup(self):
        config = self.config
        attention = partial(
            Attention, config.width, config.heads, config.heads, config.head_width, scale=1.0
        )
        self.attention, self.attention_norm = attention(), nn.RMSNorm(config.norm_eps)
        if self.decodes:
            self.cross, self.cross_norm = attention(), nn.RMSNorm(config.norm_eps)
        activation = partial(nn.gelu, approximate=True) if config.gated else nn.relu
        self.mlp = MLP(config.hidden, activation, gated=config.gated, bias=False)
        self.mlp_norm = nn.RMSNorm(config.norm_eps)
        self.attention_drop, self.cross_drop, self.mlp_drop = Dropout(), Dropout(), Dropout()

    def __call__(
        self,
        hidden: Array,
        visible: Array,
        bias: Array,
        memories: Sequence[Source],
        cross: Source | None,
    ) -> tuple[Array, Array, Array]:
        """(hidden [B, T, D], keys [B, T, H, K], values [B, T, H, K])."""
        normed = self.attention_norm(hidden)
        attended, keys, values = self.attention(normed, visible, memories, bias=bias)
        hidden = hidden + self.attention_drop(attended)
        if cross is not None:
            hidden = hidden + self.cross_drop(self.cross.cross(self.cross_norm(hidden), cross))
        return hidden + self.mlp_drop(self.mlp(self.mlp_norm(hidden))), keys, values

    def cross_memory(self, encoded: Array) -> tuple[Array, Array]:
        """Keys and values [B, S, H, K] of the encoder's hidden states [B, S, D]."""
        return self.cross.project_memory(encoded)


class T5Stack(nn.Module):
    """The encoder or the decoder: layers that share one table of biases by distance."""

    config: T5Config
    decodes: bool

    def setup(self):
        config = self.config
        depth = config.decoder_layers if self.decodes else config.layers
        self.positions = nn.Embed(config.buckets, config.heads, embedding_init=INITIAL)
        self.layers = [Block(config, self.decodes) for _ in range(depth)]
        self.final_norm = nn.RMSNorm(config.norm_eps)
        self.input_drop, self.output_drop = Dropout(), Dropout()

    def __call__(
        self,
        hidden: Array,
        positions: Array,
        valid: Array,
        memories: Sequence[KeyValueMemory],
        cross: KeyValueMemory | None = None,
    ) -> tuple[Array, KeyValueMemory]:
        """(hidden [B, T, D] after the final norm, what these T positions offer to later ones)."""
        visible = causal(valid) if self.decodes else valid[:, None]
        bias = self._bias(positions, positions)
        biases = [self._bias(positions, memory.positions) for memory in memories]
        own: list[tuple[Array, Array]] = []
        hidden = self.input_drop(hidden)
        for index, layer in enumerate(self.layers):
            sources = [
                Source(m.keys[index], m.values[index], m.valid[:, None], b)
                for m, b in zip(memories, biases, strict=True)
            ]
            read = cross and Source(cross.keys[index], cross.values[index], cross.valid[:, None])
            hidden, keys, values = layer(hidden, visible, bias, sources, read)
            own.append((keys, values))
        all_keys, all_values = zip(*own, strict=True)
        everywhere = jnp.broadcast_to(positions, valid.shape)
        found = self.output_drop(self.final_norm(hidden))
        return found, KeyValueMemory(all_keys, all_values, valid, everywhere)

    def cross_memories(self, encoded: Array) -> list[tuple[Array, Array]]:
        """Each layer's keys and values [B, S, H, K] of the encoder's hidden states [B, S, D]."""
        return [layer.cross_memory(encoded) for layer in self.layers]

    def _bias(self, queries: Array, keys: Array) -> Array:
        """[rows, H, T, S] float32, for positions [B or 1, T] of queries and [b or 1, S] of keys.

        rows: B, or b where all queries have the same positions.
        """
        reach = self.config.max_distance
        table = self.positions.embedding.astype(jnp.float32)
        by_offset = table[self.config.offset_buckets(causal=self.decodes)]  # [2 reach + 1, H]
        keys = jnp.repeat(keys, max(1, len(queries) // len(keys)), axis=0)
        offsets = keys[:, None, :] - queries[:, :, None]
        return jnp.moveaxis(by_offset[jnp.clip(offsets, -reach, reach) + reach], -1, 1)


class T5(Model):
    """A model whose decoder reads the encoded prompt; see `Model`.

    Positions matter by their differences alone, and may be [1, T] where all rows have the same:
    the biases of attention are then computed once for all of them.
    """

    config: T5Config

    ROUTE: ClassVar[Route] = "seq2seq"
    DROPS: ClassVar[bool] = True
    KEY_MAP: ClassVar[KeyMap] = PLAIN

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], names: Collection[str] = ()) -> "T5":
        read = T5Config.from_hf(config, names)
        return GatedT5(read) if read.gated else T5(read)

    def setup(self):
        config = self.config
        self.table = token_table(config)
        self.encoder = T5Stack(config, decodes=False)
        self.decoder = T5Stack(config, decodes=True)
        if not config.tied:
            self.head = output_head(config)

    def encode(
        self, inputs: Array, positions: Array, valid: Array, memories: Sequence[KeyValueMemory] = ()
    ) -> Array:
        """Hidden states [B, S, D]; every position sees all valid ones, of the memories too."""
        hidden, _ = self.encoder(self.embedded(inputs), positions, valid, memories)
        return hidden

    def cross_memories(self, hidden: Array, positions: Array, valid: Array) -> KeyValueMemory:
        """What the decoder's cross-attention reads of encoded inputs [B, S, D], layer by layer."""
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
        """(hidden [B, T, D] of the decoder, what these T positions offer to later ones).

        cross: as `offered` gives it; its b rows serve B rows as those of `Memory` do. Only while
        parameters are drawn may it be None: the inputs are then encoded as well. Raises ValueError
        where it is None otherwise.
        """
        if cross is None:
            if not self.is_initializing():
                raise ValueError("the decoder needs `cross`: what `offered` gives")
            cross = self.cross_memories(self.encode(inputs, positions, valid), positions, valid)
        embedded = self.embedded(inputs)
        hidden, memory = self.decoder(embedded, positions, valid, memories, cross)
        if self.is_initializing():
            self.logits(hidden)
        return hidden, memory

    def logits(self, hidden: Array) -> Array:
        """As any model's; T5 1.0 scales them by D^-1/2."""
        raw = super().logits(hidden)
        return raw * self.config.width**-0.5 if self.config.scaled else raw


class GatedT5(T5):
    """T5 1.1 and mT5, whose MLP is gated; see `T5`."""

    KEY_MAP: ClassVar[KeyMap] = GATED
