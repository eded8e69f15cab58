"""GPT-NeoX (Black et al. 2022, arXiv 2204.06745), the architecture of Pythia."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
from jax import Array

from research.models.checkpoint.key_map import Key, KeyMap
from research.models.gpt_neox.config import GPTNeoXConfig
from research.models.layers.attention import Attention, causal, take_positions
from research.models.layers.key_value_memory import KeyValueMemory, layer_sources
from research.models.layers.linear import output_head, token_table
from research.models.layers.mlp import ACTIVATIONS, MLP
from research.models.layers.norm import layer_norm
from research.models.layers.rope import Rotation, rotation_at
from research.models.layers.softmax_attention import Source
from research.models.model import Model, Route

BLOCK = "gpt_neox.layers.{i}"
KEYS = (
    Key("gpt_neox.embed_in.weight", "embed/embedding"),
    Key(f"{BLOCK}.input_layernorm.weight", "layers_{i}/attention_norm/scale"),
    Key(f"{BLOCK}.input_layernorm.bias", "layers_{i}/attention_norm/bias"),
    Key(
        f"{BLOCK}.attention.query_key_value.weight", "layers_{i}/attention/qkv_by_head/kernel", True
    ),
    Key(f"{BLOCK}.attention.query_key_value.bias", "layers_{i}/attention/qkv_by_head/bias"),
    Key(f"{BLOCK}.attention.dense.weight", "layers_{i}/attention/out/kernel", True),
    Key(f"{BLOCK}.attention.dense.bias", "layers_{i}/attention/out/bias"),
    Key(f"{BLOCK}.post_attention_layernorm.weight", "layers_{i}/mlp_norm/scale"),
    Key(f"{BLOCK}.post_attention_layernorm.bias", "layers_{i}/mlp_norm/bias"),
    Key(f"{BLOCK}.mlp.dense_h_to_4h.weight", "layers_{i}/mlp/up/kernel", True),
    Key(f"{BLOCK}.mlp.dense_h_to_4h.bias", "layers_{i}/mlp/up/bias"),
    Key(f"{BLOCK}.mlp.dense_4h_to_h.weight", "layers_{i}/mlp/down/kernel", True),
    Key(f"{BLOCK}.mlp.dense_4h_to_h.bias", "layers_{i}/mlp/down/bias"),
    Key("gpt_neox.final_layer_norm.weight", "final_norm/scale"),
    Key("gpt_neox.final_layer_norm.bias", "final_norm/bias"),
    Key("embed_out.weight", "head/kernel", True),
)

KEY_MAP = KeyMap(
    KEYS,
    copies={"embed_out.weight": "gpt_neox.embed_in.weight"},
    ignored=(  # the causal mask, the value of masked scores, and frequencies
        f"{BLOCK}.attention.bias",
        f"{BLOCK}.attention.masked_bias",
        f"{BLOCK}.attention.rotary_emb.inv_freq",
        "gpt_neox.rotary_emb.inv_freq",
    ),
    base="gpt_neox.",
)


class Block(nn.Module):
    """One layer: attention and the MLP, each after a norm."""

    config: GPTNeoXConfig

    @nn.compact
    def __call__(
        self,
        hidden: Array,
        rotation: Rotation,
        visible: Array,
        memories: Sequence[Source],
        at: Array | None,
    ) -> tuple[Array, Array, Array]:
        """(hidden [B, T, D], keys [B, T, H, K], values [B, T, H, K]).

        With `at` [B, L] the hidden states are [B, L, D], of these slots.
        """
        config = self.config
        attention = Attention(
            config.width,
            config.heads,
            config.heads,
            config.head_width,
            bias=config.bias,
            out_bias=config.bias,
            fused=True,
            by_head=True,
            name="attention",
        )
        activation = ACTIVATIONS[config.activation]
        mlp = MLP(config.hidden, activation, gated=False, bias=True, name="mlp")
        norm = partial(layer_norm, config.norm_eps)
        normed = norm("attention_norm")(hidden)
        attended, keys, values = attention(normed, visible, memories, rotation, at=at)
        hidden = take_positions(hidden, at)
        after = hidden + attended
        output = mlp(norm("mlp_norm")(hidden if config.parallel else after))
        return after + output, keys, values


class GPTNeoX(Model):
    """A causal model whose attention and MLP may read the same hidden states; see `Model`."""

    config: GPTNeoXConfig

    ROUTE: ClassVar[Route] = "causal"
    KEY_MAP: ClassVar[KeyMap] = KEY_MAP
    CONFIG: ClassVar[Any] = GPTNeoXConfig

    def setup(self):
        config = self.config
        self.table = token_table(config)
        self.layers = [Block(config) for _ in range(config.layers)]
        self.final_norm = layer_norm(config.norm_eps)
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
        by their order; the arguments are those of `Model`.
        """
        config = self.config
        hidden, visible = self.embedded(inputs), causal(valid)
        frequencies = config.rope.frequencies(config.rotary_width)
        rotation = rotation_at(positions, frequencies, config.rope.scale)
        arguments = []
        for index, sources in enumerate(layer_sources(memories, config.layers)):
            slots = at if index == config.layers - 1 else None
            arguments.append((rotation, take_positions(visible, slots), sources, slots))
        hidden, keys_and_values = self.run_layers(hidden, arguments)
        hidden = self.final_norm(hidden)
        if self.is_initializing():
            self.logits(hidden)
        all_keys, all_values = zip(*keys_and_values, strict=True)
        return hidden, KeyValueMemory(all_keys, all_values, valid, positions)
