"""BERT (Devlin et al. 2018, arXiv 1810.04805) and RoBERTa (Liu et al. 2019, arXiv 1907.11692)."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, Self

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from research.models.bert.checkpoint_keys import BERT, ROBERTA
from research.models.bert.config import EncoderConfig
from research.models.checkpoint.key_map import KeyMap
from research.models.layers.attention import Attention, take_positions
from research.models.layers.key_value_memory import KeyValueMemory, layer_sources
from research.models.layers.linear import INITIAL, by_table, linear, token_table
from research.models.layers.mlp import ACTIVATIONS, MLP
from research.models.layers.norm import layer_norm
from research.models.layers.softmax_attention import Source
from research.models.model import Model, Route

# Parts that not every checkpoint has, and a leaf of each.
PART_LEAVES = {
    "masked_lm": "head/dense/kernel",
    "pooler": "{pooler}/kernel",
    "classes": "head:/kernel",
}


class Block(nn.Module):
    """One layer: attention, then the MLP, each with a norm after its residual."""

    config: EncoderConfig

    @nn.compact
    def __call__(
        self, hidden: Array, visible: Array, memories: Sequence[Source], at: Array | None
    ) -> tuple[Array]:
        """(hidden states [B, T, D], or [B, L, D] of the slots `at` [B, L],)."""
        config = self.config
        attention = Attention(
            config.width,
            config.heads,
            config.heads,
            config.head_width,
            bias=True,
            out_bias=True,
            name="attention",
        )
        activation = ACTIVATIONS[config.activation]
        mlp = MLP(config.hidden, activation, gated=False, bias=True, name="mlp")
        norm = partial(layer_norm, config.norm_eps)
        attended, _, _ = attention(hidden, visible, memories, at=at)
        hidden = norm("attention_norm")(take_positions(hidden, at) + attended)
        return (norm("mlp_norm")(hidden + mlp(hidden)),)


class MaskedHead(nn.Module):
    """The masked-LM head: logits by products with the token embeddings."""

    config: EncoderConfig

    @nn.compact
    def __call__(self, hidden: Array, table: Array) -> Array:
        """Logits [..., V] in float32, for `hidden` [..., D] and `table` [V, D]."""
        config = self.config
        # RoBERTa's head uses the exact GELU, whatever the activation of its layers.
        activation = ACTIVATIONS[config.activation if config.family == "bert" else "gelu"]
        hidden = activation(linear(config.width, name="dense")(hidden))
        hidden = layer_norm(config.norm_eps, "norm")(hidden)
        bias = self.param("bias", nn.initializers.zeros, (config.vocab_size,))
        scores = by_table(hidden, table)
        return scores + jnp.broadcast_to(bias.astype(jnp.float32), scores.shape)


class EncoderModel(Model):
    """A model in which every position attends to every other; see `Model`."""

    config: EncoderConfig

    ROUTE: ClassVar[Route] = "masked"
    POOLER: ClassVar[str]  # name of the pooler's module

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], names: Collection[str] = ()) -> Self:
        stored = {cls.KEY_MAP.name(name) for name in names}
        leaves = {part: leaf.format(pooler=cls.POOLER) for part, leaf in PART_LEAVES.items()}
        parts = {part for part, leaf in leaves.items() if cls.KEY_MAP.key(leaf).tensor in stored}
        return cls(EncoderConfig.from_hf(config, parts if stored else None))

    def setup(self):
        config = self.config
        self.table = token_table(config)
        self.positions = nn.Embed(config.rows, config.width, embedding_init=INITIAL)
        self.types = nn.Embed(config.types, config.width, embedding_init=INITIAL)
        self.embed_norm = layer_norm(config.norm_eps)
        self.layers = [Block(config) for _ in range(config.layers)]
        if config.masked_lm:
            self.head = MaskedHead(config)
        if config.pooler:
            self.pooler = linear(config.width, name=self.POOLER)

    def __call__(
        self,
        inputs: Array,
        positions: Array,
        valid: Array,
        types: Array | None = None,
        memories: Sequence[KeyValueMemory] = (),
        at: Array | None = None,
    ) -> Array:
        """Hidden states [B, T, D] after the last layer, or [B, L, D] with `at`.

        Every position attends to every valid position of the inputs and of the memories.

        Args:
            inputs: [B, T] tokens or [B, T, D] embeddings of `embed`.
            positions: [B, T] int32, from 0; those of padding are ignored.
            valid: [B, T] bool, False on padding, which nothing attends to.
            types: [B, T] int32, the segment of each token; None for the first segment.
            memories: keys and values of earlier positions.
            at: [B, L] slots whose hidden states are wanted; None for all.
        """
        rows = jnp.where(valid, positions, 0) + self.config.offset
        segments = jnp.zeros_like(rows) if types is None else types
        hidden = self.embed_norm(
            self.embedded(inputs) + self.types(segments) + self.positions(rows)
        )
        visible, last = valid[:, None], self.config.layers - 1
        arguments = [
            (visible, sources, at if index == last else None)
            for index, sources in enumerate(layer_sources(memories, self.config.layers))
        ]
        hidden, _ = self.run_layers(hidden, arguments)
        if self.is_initializing():
            self._make_heads(hidden)
        return hidden

    def logits(self, hidden: Array) -> Array:
        """Logits [..., V] in float32. Raises ValueError if `config.masked_lm` is False."""
        if not self.config.masked_lm:
            raise ValueError("the checkpoint has no masked-LM head to give logits")
        return self.head(hidden, self.table.embedding)

    def features(self, hidden: Array) -> Array:
        """[B, D] of hidden states [B, T, D]: the first position, after BERT's pooler if any."""
        pooled = self.config.pooler and self.config.family == "bert"
        return jnp.tanh(self.pooler(hidden[:, 0])) if pooled else hidden[:, 0]

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the leaves `head:...`, a checkpoint's classification head."""
        width, classes = self.config.width, self.config.classes
        if not classes:
            return {}
        shapes = {"head:/kernel": (width, classes), "head:/bias": (classes,)}
        if self.config.family == "roberta":
            shapes |= {"head:/dense": (width, width), "head:/dense_bias": (width,)}
        return shapes

    def with_classes(self, classes: int) -> Self:
        """The same model with a classification head of `classes` outputs in its checkpoint.

        The head replaces a masked-LM head, since transformers has no class with both. 0 removes it.
        """
        masked_lm = self.config.masked_lm and not classes
        config = replace(self.config, classes=classes, masked_lm=masked_lm)
        return self.clone(config=config, parent=None)

    def _make_heads(self, hidden: Array) -> None:
        if self.config.masked_lm:
            self.logits(hidden)
        if self.config.pooler:
            self.pooler(hidden[:, 0])


class Bert(EncoderModel):
    """BERT; see `EncoderModel`."""

    KEY_MAP: ClassVar[KeyMap] = BERT
    POOLER: ClassVar[str] = "pooler"


class Roberta(EncoderModel):
    """RoBERTa, whose checkpoints may have an unused pooler; see `EncoderModel`."""

    KEY_MAP: ClassVar[KeyMap] = ROBERTA
    POOLER: ClassVar[str] = "spare_pooler"
