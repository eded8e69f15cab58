"""Llama (Touvron et al. 2023, arXiv 2302.13971) and its variants.

Mistral (Jiang et al. 2023, arXiv 2310.06825) has a sliding window, Qwen2 (Yang et al. 2024, arXiv
2407.10671) biases of query, key and value, Qwen3 (Yang et al. 2025, arXiv 2505.09388) norms of
query and key heads.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from research.common.errors import MOST
from research.models.checkpoint.key_map import Key, KeyMap
from research.models.layers.attention import Attention, causal, take_positions
from research.models.layers.key_value_memory import KeyValueMemory
from research.models.layers.linear import output_head, token_table
from research.models.layers.mlp import ACTIVATIONS, MLP
from research.models.layers.norm import rms_norm
from research.models.layers.rope import Rotation, rotation_at
from research.models.layers.softmax_attention import Source
from research.models.llama.config import DecoderConfig
from research.models.model import Model, Route

KEYS = (
    Key("model.embed_tokens.weight", "embed/embedding"),
    Key("model.layers.{i}.input_layernorm.weight", "layers_{i}/attention_norm/scale"),
    Key("model.layers.{i}.self_attn.q_proj.weight", "layers_{i}/attention/query/kernel", True),
    Key("model.layers.{i}.self_attn.k_proj.weight", "layers_{i}/attention/key/kernel", True),
    Key("model.layers.{i}.self_attn.v_proj.weight", "layers_{i}/attention/value/kernel", True),
    Key("model.layers.{i}.self_attn.o_proj.weight", "layers_{i}/attention/out/kernel", True),
    Key("model.layers.{i}.self_attn.q_proj.bias", "layers_{i}/attention/query/bias"),
    Key("model.layers.{i}.self_attn.k_proj.bias", "layers_{i}/attention/key/bias"),
    Key("model.layers.{i}.self_attn.v_proj.bias", "layers_{i}/attention/value/bias"),
    Key("model.layers.{i}.self_attn.o_proj.bias", "layers_{i}/attention/out/bias"),
    Key("model.layers.{i}.self_attn.q_norm.weight", "layers_{i}/attention/query_norm/scale"),
    Key("model.layers.{i}.self_attn.k_norm.weight", "layers_{i}/attention/key_norm/scale"),
    Key("model.layers.{i}.post_attention_layernorm.weight", "layers_{i}/mlp_norm/scale"),
    Key("model.layers.{i}.mlp.gate_proj.weight", "layers_{i}/mlp/gate/kernel", True),
    Key("model.layers.{i}.mlp.up_proj.weight", "layers_{i}/mlp/up/kernel", True),
    Key("model.layers.{i}.mlp.down_proj.weight", "layers_{i}/mlp/down/kernel", True),
    Key("model.layers.{i}.mlp.gate_proj.bias", "layers_{i}/mlp/gate/bias"),
    Key("model.layers.{i}.mlp.up_proj.bias", "layers_{i}/mlp/up/bias"),
    Key("model.layers.{i}.mlp.down_proj.bias", "layers_{i}/mlp/down/bias"),
    Key("model.norm.weight", "final_norm/scale"),
    Key("lm_head.weight", "head/kernel", True),
)

KEY_MAP = KeyMap(
    KEYS,
    copies={"lm_head.weight": "model.embed_tokens.weight"},
    ignored=(  # buffers that old checkpoints hold
        "model.layers.{i}.self_attn.rotary_emb.inv_freq",
        "model.rotary_emb.inv_freq",
    ),
    base="model.",
)


class Block(nn.Module):
    """One layer: attention, then the MLP, each after a norm and with a residual."""

    config: DecoderConfig

    @nn.compact
    def __call__(
        self,
        hidden: Array,
        rotation: Rotation,
        visible: Array,
        memories: Sequence[Source],
        at: Array | None,
    ) -> tuple[Array, Array, Array]:
        """(hidden [B, T, D], keys [B, T, G, K], values [B, T, G, K]).

        With `at` [B, L] the hidden states are [B, L, D], of these slots.
        """
        config = self.config
        attention = Attention(
            config.width,
            config.heads,
            config.kv_heads,
            config.head_width,
            bias=config.attention_bias,
            out_bias=config.has_out_bias,
            head_norm=config.norm_eps if config.head_norm else None,
            norm_offset=config.norm_offset,
            scale=config.query_scale,
            score_cap=config.score_cap,
            name="attention",
        )
        activation = ACTIVATIONS[config.activation]
        mlp = MLP(config.hidden, activation, gated=True, bias=config.mlp_bias, name="mlp")
        norm = partial(rms_norm, config.norm_eps, config.norm_offset)
        normed = norm("attention_norm")(hidden)
        attended, keys, values = attention(normed, visible, memories, rotation, at=at)
        if config.post_norms:
            attended = norm("attention_post_norm")(attended)
        hidden = take_positions(hidden, at) + attended
        output = mlp(norm("mlp_norm")(hidden))
        if config.post_norms:
            output = norm("mlp_post_norm")(output)
        return hidden + output, keys, values


class Decoder(Model):
    """A causal model; see `Model`."""

    config: DecoderConfig

    ROUTE: ClassVar[Route] = "causal"
    KEY_MAP: ClassVar[KeyMap] = KEY_MAP
    CONFIG: ClassVar[Any] = DecoderConfig

    def setup(self):
        config = self.config
        self.table = token_table(config)
        self.layers = [Block(config) for _ in range(config.layers)]
        self.final_norm = rms_norm(config.norm_eps, config.norm_offset)
        self.head = output_head(config)

    def __call__(
        self,
        inputs: Array,
        positions: Array,
        valid: Array,
        memories: Sequence[KeyValueMemory] = (),
        at: Array | None = None,
    ) -> tuple[Array, KeyValueMemory]:
        """(hidden [B, T, D] after the final norm, keys and values of these positions).

        Position t attends to every valid position of every memory and to the valid inputs up to t,
        by their order. In a layer with a window it attends only to positions less than the window
        before its own.

        Args:
            inputs: [B, T] tokens or [B, T, D] embeddings.
            positions: [B, T] int32, for the rotary embedding and windows.
            valid: [B, T] bool, False on padding, which nothing attends to.
            memories: keys and values of earlier positions.
            at: [B, L] slots whose hidden states [B, L, D] are wanted; None for all.
        """
        hidden = self.embedded(inputs)
        rope = self.config.rope
        frequencies = rope.frequencies(self.config.rotary_width)
        rotation = rotation_at(positions, frequencies, rope.scale)
        causal_mask, last = causal(valid), self.config.layers - 1
        masks: dict[Any, tuple[Array, list[Array]]] = {}  # of layers that have the same
        arguments = []
        for index in range(self.config.layers):
            slots = at if index == last else None
            window = self._window(index)
            kind = (window, slots is None)
            if kind not in masks:
                masks[kind] = _masks(causal_mask, positions, memories, window, slots)
            visible, of_memories = masks[kind]
            sources = [
                Source(m.keys[index], m.values[index], mask)
                for m, mask in zip(memories, of_memories, strict=True)
            ]
            arguments.append((rotation, visible, sources, slots))
        hidden, keys_and_values = self.run_layers(hidden, arguments)
        hidden = self.final_norm(hidden)
        if self.is_initializing():
            self.logits(hidden)
        all_keys, all_values = zip(*keys_and_values, strict=True)
        return hidden, KeyValueMemory(all_keys, all_values, valid, positions)

    def _window(self, layer: int) -> int | None:
        """The number of positions that a query attends to in a layer; None for all.

        Where layers that differ run as a scan, a number above all positions makes masks of the same
        shape.
        """
        if layer in self.config.windowed:
            return self.config.window
        return MOST if self.scan_layers and self.config.windowed else None


def _masks(
    causal_mask: Array,
    positions: Array,
    memories: Sequence[KeyValueMemory],
    window: int | None,
    at: Array | None,
) -> tuple[Array, list[Array]]:
    """(mask of the inputs, mask of each memory) in a layer.

    Args:
        causal_mask: [B, T, T] mask of the inputs without the window.
        positions: [B, T], of the inputs.
        memories: keys and values of earlier positions.
        window: number of positions that a query attends to; None for all.
        at: [B, L] slots that the layer computes; None for all.
    """
    visible, queries = take_positions(causal_mask, at), take_positions(positions, at)
    of_memories = [memory.valid[:, None] for memory in memories]
    if window is None:
        return visible, of_memories
    return _in_window(visible, queries, positions, window), [
        _in_window(mask, queries, memory.positions, window)
        for mask, memory in zip(of_memories, memories, strict=True)
    ]


def _in_window(visible: Array, queries: Array, keys: Array, window: int) -> Array:
    """The mask `visible` [b, T or 1, S], restricted to a window: [B, T, S].

    Args:
        visible: the mask without the window.
        queries: [B, T] positions.
        keys: [b, S] positions.
        window: number of positions that a query attends to.
    """
    served = len(queries) // len(keys)
    visible, keys = (jnp.repeat(x, served, axis=0) for x in (visible, keys))
    return visible & (queries[:, :, None] - keys[:, None] < window)
