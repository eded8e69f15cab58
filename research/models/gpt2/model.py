"""GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners")."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from research.models.checkpoint.key_map import Key, KeyMap
from research.models.gpt2.config import GPT2Config
from research.models.layers.attention import Attention, causal, take_positions
from research.models.layers.key_value_memory import KeyValueMemory, layer_sources
from research.models.layers.linear import INITIAL, output_head, token_table
from research.models.layers.mlp import ACTIVATIONS, MLP
from research.models.layers.norm import layer_norm
from research.models.layers.softmax_attention import Source
from research.models.model import Model, Route

# The checkpoint's layers are Conv1D modules, whose weights are [in, out] like our kernels.
KEYS = (
    Key("transformer.wte.weight", "embed/embedding"),
    Key("transformer.wpe.weight", "positions/embedding"),
    Key("transformer.h.{i}.ln_1.weight", "layers_{i}/attention_norm/scale"),
    Key("transformer.h.{i}.ln_1.bias", "layers_{i}/attention_norm/bias"),
    Key("transformer.h.{i}.attn.c_attn.weight", "layers_{i}/attention/qkv/kernel"),
    Key("transformer.h.{i}.attn.c_attn.bias", "layers_{i}/attention/qkv/bias"),
    Key("transformer.h.{i}.attn.c_proj.weight", "layers_{i}/attention/out/kernel"),
    Key("transformer.h.{i}.attn.c_proj.bias", "layers_{i}/attention/out/bias"),
    Key("transformer.h.{i}.ln_2.weight", "layers_{i}/mlp_norm/scale"),
    Key("transformer.h.{i}.ln_2.bias", "layers_{i}/mlp_norm/bias"),
    Key("transformer.h.{i}.mlp.c_fc.weight", "layers_{i}/mlp/up/kernel"),
    Key("transformer.h.{i}.mlp.c_fc.bias", "layers_{i}/mlp/up/bias"),
    Key("transformer.h.{i}.mlp.c_proj.weight", "layers_{i}/mlp/down/kernel"),
    Key("transformer.h.{i}.mlp.c_proj.bias", "layers_{i}/mlp/down/bias"),
    Key("transformer.ln_f.weight", "final_norm/scale"),
    Key("transformer.ln_f.bias", "final_norm/bias"),
    Key("lm_head.weight", "head/kernel", True),
)

KEY_MAP = KeyMap(
    KEYS,
    copies={"lm_head.weight": "transformer.wte.weight"},
    # The causal mask, and the value of masked scores.
    ignored=("transformer.h.{i}.attn.bias", "transformer.h.{i}.attn.masked_bias"),
    base="transformer.",
    other_heads=(
        "score.weight",
        "classifier.weight",
        "classifier.bias",
        "qa_outputs.weight",
        "qa_outputs.bias",
        "multiple_choice_head.summary.weight",
        "multiple_choice_head.summary.bias",
    ),
)


class Block(nn.Module):
    """One layer: attention, then the MLP, each after a norm and with a residual."""

    config: GPT2Config

    @nn.compact
    def __call__(
        self, hidden: Array, visible: Array, memories: Sequence[Source], at: Array | None
    ) -> tuple[Array, Array, Array]:
        """(hidden [B, T, D], keys [B, T, H, K], values [B, T, H, K]).

        With `at` [B, L] the hidden states are [B, L, D], of these slots.
        """
        config = self.config
        attention = Attention(
            config.width,
            heads=config.heads,
            kv_heads=config.heads,
            head_width=config.head_width,
            bias=True,
            out_bias=True,
            fused=True,
            name="attention",
        )
        activation = ACTIVATIONS[config.activation]
        mlp = MLP(config.hidden, activation, gated=False, bias=True, name="mlp")
        norm = partial(layer_norm, config.norm_eps)
        normed = norm("attention_norm")(hidden)
        attended, keys, values = attention(normed, visible, memories, at=at)
        hidden = take_positions(hidden, at) + attended
        return hidden + mlp(norm("mlp_norm")(hidden)), keys, values


class GPT2(Model):
    """A causal model with learned positions; see `Model`."""

    config: GPT2Config

    ROUTE: ClassVar[Route] = "causal"
    KEY_MAP: ClassVar[KeyMap] = KEY_MAP
    CONFIG: ClassVar[Any] = GPT2Config

    def setup(self):
        config = self.config
        self.table = token_table(config)
        self.positions = nn.Embed(config.context, config.width, embedding_init=INITIAL)
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
        by their order.

        Args:
            inputs: [B, T] tokens or [B, T, D] embeddings, without those of positions.
            positions: [B, T] int32; a row with a valid position beyond the context is all NaN.
            valid: [B, T] bool, False on padding, which nothing attends to.
            memories: keys and values of earlier positions.
            at: [B, L] slots whose hidden states [B, L, D] are wanted; None for all.
        """
        # Padding may have any position; NaN there would spread, since 0 * NaN is NaN.
        learned = self.positions(jnp.where(valid, positions, 0))
        hidden = self.embedded(inputs) + learned
        visible, last = causal(valid), self.config.layers - 1
        arguments = []
        for index, sources in enumerate(layer_sources(memories, self.config.layers)):
            slots = at if index == last else None
            arguments.append((take_positions(visible, slots), sources, slots))
        hidden, keys_and_values = self.run_layers(hidden, arguments)
        hidden = self.final_norm(hidden)
        if self.is_initializing():
            self.logits(hidden)
        all_keys, all_values = zip(*keys_and_values, strict=True)
        return hidden, KeyValueMemory(all_keys, all_values, valid, positions)
