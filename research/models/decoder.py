"""The Llama family of decoders (Touvron et al. 2023, arXiv 2302.13971)."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from research.models.decoder_config import DecoderConfig
from research.models.layers import (
    INITIAL,
    MLP,
    Attention,
    Memory,
    Rotation,
    Source,
    causal,
    linear,
    rotation_at,
)
from research.models.model import Model, Route
from research.models.weights import Key, Layout

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

LAYOUT = Layout(
    KEYS,
    copies={"lm_head.weight": "model.embed_tokens.weight"},
    computed=(
        "model.layers.{i}.self_attn.rotary_emb.inv_freq",
        "model.rotary_emb.inv_freq",
    ),
)


class Block(nn.Module):
    """One layer: attention, then the MLP, each after a norm and beside a residual."""

    config: DecoderConfig

    @nn.compact
    def __call__(
        self, hidden: Array, rotation: Rotation, visible: Array, memories: Sequence[Source]
    ) -> tuple[Array, Array, Array]:
        """(hidden [B, T, D], keys [B, T, G, K], values [B, T, G, K])."""
        config = self.config
        attention = Attention(
            config.width,
            config.heads,
            config.kv_heads,
            config.head_width,
            bias=config.attention_bias,
            out_bias=config.attention_bias,
            name="attention",
        )
        mlp = MLP(config.hidden, nn.silu, gated=True, bias=config.mlp_bias, name="mlp")
        normed = nn.RMSNorm(config.norm_eps, name="attention_norm")(hidden)
        attended, keys, values = attention(normed, visible, memories, rotation)
        hidden = hidden + attended
        normed = nn.RMSNorm(config.norm_eps, name="mlp_norm")(hidden)
        return hidden + mlp(normed), keys, values


class Decoder(Model):
    """A causal model; see `Model`."""

    config: DecoderConfig

    ROUTE: ClassVar[Route] = "causal"
    LAYOUT: ClassVar[Layout] = LAYOUT

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], names: Collection[str] = ()) -> "Decoder":
        return cls(DecoderConfig.from_hf(config))

    def setup(self):
        config = self.config
        self.table = nn.Embed(config.vocab_size, config.width, embedding_init=INITIAL, name="embed")
        self.layers = [Block(config) for _ in range(config.layers)]
        self.final_norm = nn.RMSNorm(config.norm_eps)
        if not config.tied:
            float32_out = partial(jax.lax.dot_general, preferred_element_type=jnp.float32)
            self.head = linear(config.vocab_size, use_bias=False, dot_general=float32_out)

    def __call__(
        self, inputs: Array, positions: Array, valid: Array, memories: Sequence[Memory] = ()
    ) -> tuple[Array, Memory]:
        """(hidden [B, T, D] after the final norm, what these T positions offer to later ones).

        inputs: [B, T] tokens or [B, T, D] embeddings. positions: [B, T] int32, for the rotary
        embedding only. valid: [B, T] bool, False on padding, which nothing attends to. Position t
        sees every valid position of every memory and the valid inputs up to t, by their order.
        """
        if jnp.issubdtype(inputs.dtype, jnp.integer):
            inputs = self.embed(inputs)
        hidden = inputs.astype(self.table.embedding.dtype)
        rotation = rotation_at(positions, self.config.frequencies())
        visible = causal(valid)
        own: list[tuple[Array, Array]] = []
        for index, layer in enumerate(self.layers):
            sources = [Source(m.keys[index], m.values[index], m.valid[:, None]) for m in memories]
            hidden, keys, values = layer(hidden, rotation, visible, sources)
            own.append((keys, values))
        hidden = self.final_norm(hidden)
        if self.is_initializing() and not self.config.tied:
            self.head(hidden)
        all_keys, all_values = zip(*own, strict=True)
        return hidden, Memory(all_keys, all_values, valid, positions)

    def embed(self, tokens: Array) -> Array:
        """[B, T, D] embeddings of tokens [B, T]."""
        return self.table(tokens)

    def logits(self, hidden: Array) -> Array:
        """[..., V] in float32, for hidden states [..., D] after the final norm."""
        if not self.config.tied:
            return self.head(hidden)
        table = self.table.embedding
        return jnp.einsum("...d,vd->...v", hidden, table, preferred_element_type=jnp.float32)
