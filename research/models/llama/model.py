"""Llama (Touvron et al. 2023, arXiv 2302.13971) and its variants.

Mistral (Jiang et al. 2023, arXiv 2310.06825) has a sliding window, Qwen2 (Yang et al. 2024, arXiv
2407.10671) biases of query, key and value, Qwen3 (Yang et al. 2025, arXiv 2505.09388) norms of
query and key heads, OLMo 2 (Team OLMo 2025, arXiv 2501.00656) norms after attention and MLP,
SmolLM3 layers without rotary positions, Granite factors of several values, Phi-3 (Abdin et al.
2024, arXiv 2404.14219) one layer for query, key and value, Gemma 2 (Gemma Team 2024, arXiv
2408.00118) soft caps and norms before and after attention and MLP, Gemma 3 (Gemma Team 2025, arXiv
2503.19786) other rotary frequencies in layers with a window.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
from jax import Array

from research.common.errors import MOST
from research.models.checkpoint.key_map import KeyMap
from research.models.layers.attention import Attention, causal, take_positions
from research.models.layers.key_value_memory import KeyValueMemory
from research.models.layers.linear import output_head, token_table
from research.models.layers.mlp import ACTIVATIONS, MLP
from research.models.layers.norm import rms_norm
from research.models.layers.rope import Rotation
from research.models.layers.softmax_attention import Source, soft_cap
from research.models.llama.checkpoint_keys import KEY_MAP, WITH_OUTPUT_NORMS
from research.models.llama.config import DecoderConfig
from research.models.llama.positions import layer_rotations, window_masks
from research.models.model import Model, Route


class Block(nn.Module):
    """One layer: attention, then the MLP, each after a norm and with a residual."""

    config: DecoderConfig

    @nn.compact
    def __call__(
        self,
        hidden: Array,
        rotation: Rotation | None,
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
            fused=config.fused,
            head_norm=config.norm_eps if config.head_norm else None,
            whole_norm=config.whole_norm,
            norm_offset=config.norm_offset,
            scale=config.query_scale,
            score_cap=config.score_cap,
            name="attention",
        )
        mlp = MLP(
            config.hidden,
            ACTIVATIONS[config.activation],
            gated=True,
            bias=config.mlp_bias,
            fused=config.fused,
            name="mlp",
        )
        norm = partial(rms_norm, config.norm_eps, config.norm_offset)

        def normed(name: str, x: Array, has_norm: bool) -> Array:
            return norm(name)(x) if has_norm else x

        inputs = normed("attention_norm", hidden, config.pre_norms)
        attended, keys, values = attention(inputs, visible, memories, rotation, at=at)
        attended = normed("attention_post_norm", attended, config.post_norms)
        hidden = take_positions(hidden, at) + _scaled(attended, config.residual_scale)
        output = mlp(normed("mlp_norm", hidden, config.pre_norms))
        output = normed("mlp_post_norm", output, config.post_norms)
        return hidden + _scaled(output, config.residual_scale), keys, values


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
        hidden = _scaled(self.embedded(inputs), self.config.embed_scale)
        rotations = layer_rotations(self.config, positions, alike=self.scan_layers)
        causal_mask, last = causal(valid), self.config.layers - 1
        masks: dict[Any, tuple[Array, list[Array]]] = {}  # of layers that have the same
        arguments = []
        for index in range(self.config.layers):
            slots = at if index == last else None
            window = self._window(index)
            kind = (window, slots is None)
            if kind not in masks:
                masks[kind] = window_masks(causal_mask, positions, memories, window, slots)
            visible, of_memories = masks[kind]
            sources = [
                Source(m.keys[index], m.values[index], mask)
                for m, mask in zip(memories, of_memories, strict=True)
            ]
            arguments.append((rotations[index], visible, sources, slots))
        hidden, keys_and_values = self.run_layers(hidden, arguments)
        hidden = self.final_norm(hidden)
        if self.is_initializing():
            self.logits(hidden)
        all_keys, all_values = zip(*keys_and_values, strict=True)
        return hidden, KeyValueMemory(all_keys, all_values, valid, positions)

    def logits(self, hidden: Array) -> Array:
        """Logits [..., V] in float32, see `Model.logits`, divided and capped as the config says."""
        logits = super().logits(hidden)
        if self.config.logit_divisor != 1.0:
            logits = logits / self.config.logit_divisor
        cap = self.config.logit_cap
        return logits if cap is None else soft_cap(logits, cap)

    @property
    def table_scale(self) -> float:
        return self.config.width**0.5 if self.config.root_scale else 1.0

    def _window(self, layer: int) -> int | None:
        """The number of positions that a query attends to in a layer; None for all.

        Where layers that differ run as a scan, a number above all positions makes masks of the same
        shape.
        """
        if layer in self.config.windowed:
            return self.config.window
        return MOST if self.scan_layers and self.config.windowed else None


class PostNormDecoder(Decoder):
    """A decoder whose checkpoints have norms of the outputs of attention and MLP."""

    KEY_MAP: ClassVar[KeyMap] = WITH_OUTPUT_NORMS


def _scaled(x: Array, factor: float) -> Array:
    return x if factor == 1.0 else x * factor
