"""The encoder and the decoder of T5."""

from collections.abc import Sequence
from functools import partial

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from research.models.layers.attention import Attention, causal
from research.models.layers.dropout import Dropout
from research.models.layers.key_value_memory import KeyValueMemory, layer_sources
from research.models.layers.linear import INITIAL
from research.models.layers.mlp import MLP
from research.models.layers.softmax_attention import Source
from research.models.layers.stack import LayerStack
from research.models.t5.config import T5Config


class Block(nn.Module):
    """One layer: attention, cross-attention in a decoder, MLP; each with norm, dropout, residual.

    Attention scores are not scaled, since T5 initializes its weights accordingly.

    Attributes:
        config: of the model.
        decodes: whether the layer is one of the decoder.
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


class T5Stack(LayerStack):
    """The encoder or the decoder: layers that share one table of relative position biases.

    Attributes:
        config: of the model.
        decodes: whether this is the decoder.
    """

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
        """(hidden [B, T, D] after the final norm, keys and values of these positions)."""
        visible = causal(valid) if self.decodes else valid[:, None]
        bias = self._bias(positions, positions)
        biases = [self._bias(positions, memory.positions) for memory in memories]
        depth = len(self.layers)
        crosses = layer_sources(() if cross is None else (cross,), depth)
        arguments = [
            (visible, bias, sources, encoded[0] if encoded else None)
            for sources, encoded in zip(
                layer_sources(memories, depth, biases), crosses, strict=True
            )
        ]
        hidden, keys_and_values = self.run_layers(self.input_drop(hidden), arguments)
        all_keys, all_values = zip(*keys_and_values, strict=True)
        all_positions = jnp.broadcast_to(positions, valid.shape)
        output = self.output_drop(self.final_norm(hidden))
        return output, KeyValueMemory(all_keys, all_values, valid, all_positions)

    def cross_memories(self, encoded: Array) -> list[tuple[Array, Array]]:
        """Each layer's keys and values [B, S, H, K] of the encoder's hidden states [B, S, D]."""
        return [layer.cross_memory(encoded) for layer in self.layers]

    def _bias(self, queries: Array, keys: Array) -> Array:
        """Biases [R, H, T, S] for positions [B or 1, T] of queries and [b or 1, S] of keys.

        In float32. R is B, or b if all queries have the same positions.
        """
        reach = self.config.max_distance
        table = self.positions.embedding.astype(jnp.float32)
        by_offset = table[self.config.offset_buckets(causal=self.decodes)]  # [2 reach + 1, H]
        keys = jnp.repeat(keys, max(1, len(queries) // len(keys)), axis=0)
        offsets = keys[:, None, :] - queries[:, :, None]
        return jnp.moveaxis(by_offset[jnp.clip(offsets, -reach, reach) + reach], -1, 1)
