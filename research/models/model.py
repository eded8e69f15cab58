"""The interface of all model families."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal

import jax.numpy as jnp
from jax import Array

from research.common.errors import InputError
from research.models.checkpoint.key_map import KeyMap
from research.models.layers.linear import by_table
from research.models.layers.stack import LayerStack
from research.runtime.devices import Layers

Route = Literal["causal", "seq2seq", "masked"]

TABLE = "embed/embedding"  # the leaf of the token embeddings
HEAD = "head/kernel"  # the leaf of the output layer of a model that predicts the next token


class Model(LayerStack):
    """A language model that computes in the precision of its parameters.

    Norms, positions, softmax and logits are in float32 at any precision. The table of token
    embeddings is the leaf `embed/embedding`; layer i is the module `layers_{i}` of its stack. A
    family's `setup` makes `table`, the `token_table`, and `head`, the `output_head`. Besides the
    methods here, `causal` models have
        __call__(inputs, positions, valid, memories=(), at=None) -> (hidden, KeyValueMemory)
    `masked` models have
        __call__(inputs, positions, valid, types=None, memories=(), at=None) -> hidden
        features(hidden) -> [B, D], the inputs of a classification head
    and `seq2seq` models have
        encode(inputs, positions, valid, memories=()) -> hidden [B, S, D]
        cross_memories(hidden, positions, valid) -> KeyValueMemory for the cross-attention
        __call__(inputs, positions, valid, memories=(), cross=None) -> (hidden, KeyValueMemory)

    Their arguments are
        inputs: [B, T] tokens or [B, T, D] embeddings.
        positions: [B, T] int32.
        valid: [B, T] bool, False on padding, which nothing attends to.
        memories: keys and values of earlier positions.
        at: [B, L] slots. The hidden states are then [B, L, D] instead of [B, T, D], and the last
            layer computes only these: a seventh less work in a decoder of six layers that reads one
            slot per row.

    Attributes:
        ROUTE: how a target is predicted: `causal` after the prompt, `seq2seq` by a decoder that
            reads the encoded prompt, `masked` in place of mask tokens.
        DROPS: whether all places of the family's dropout are implemented, see `Dropout`.
        KEY_MAP: names of the leaves in checkpoints.
        CONFIG: the class of `config`; used by `from_hf` unless the family has its own.
        config: with `vocab_size`, `width`, `layers`, `heads`, `context` (maximum number of
            positions, None for no limit), `head_width` (of an attention head), `tied` (whether
            `table` is also the output layer; not for `masked`) and `to_hf()`, the fields of a
            config.json.
        scan_layers: whether equal layers run as one scan where methods adapt the model, see
            `research.methods.shared.layer_scan`; the numbers are the same up to rounding.
    """

    ROUTE: ClassVar[Route]
    DROPS: ClassVar[bool] = False
    KEY_MAP: ClassVar[KeyMap]
    CONFIG: ClassVar[Any]

    config: Any
    scan_layers: bool = False

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], names: Collection[str] = ()) -> "Model":
        """From the fields of a config.json and the names of the checkpoint's tensors.

        Raises InputError for a setting of the computation that is not supported.
        """
        del names
        return cls(cls.CONFIG.from_hf(config))

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json that change the computation, the inverse of `from_hf`."""
        return self.config.to_hf()

    def embed(self, tokens: Array) -> Array:
        """Embeddings [B, T, D] of tokens [B, T], without those of positions and segments.

        A soft prompt is concatenated with these.
        """
        embeddings = self.table(tokens)
        return embeddings if self.table_scale == 1.0 else embeddings * self.table_scale

    def embedded(self, inputs: Array) -> Array:
        """Embeddings [B, T, D] of tokens [B, T] or of embeddings, in the table's precision."""
        if jnp.issubdtype(inputs.dtype, jnp.integer):
            inputs = self.embed(inputs)
        return inputs.astype(self.table.embedding.dtype)

    def logits(self, hidden: Array) -> Array:
        """Logits [..., V] in float32, for hidden states [..., D] after the final norm.

        By the output layer, if the parameters have one, also where the backbone ties it.
        """
        if self.config.tied and not self.has_variable("params", "head"):
            return by_table(hidden, self.table.embedding)
        return self.head(hidden)

    def untied(self, leaves: Mapping[str, Any]) -> tuple["Model", dict[str, Any]]:
        """(the same model with an output layer of its own, its leaves), for `leaves` with one."""
        return self.clone(config=replace(self.config, tied=False), parent=None), dict(leaves)

    @property
    def table_scale(self) -> float:
        """Factor of the table of token embeddings where a text is read, not where it is the output
        layer.
        """
        return 1.0

    @property
    def depths(self) -> tuple[int, ...]:
        """Number of layers of each stack."""
        return (self.config.layers,)

    def with_layers(self, layers: Layers) -> "Model":
        """The same model, whose equal layers run as one scan or one after the other.

        Raises InputError for a scan of a model that has a single layer.
        """
        if layers == "scan" and max(self.depths) < 2:
            allowed = "the model has a single layer, so only unrolled is possible"
            raise InputError("devices.layers", layers, allowed)
        return self.clone(scan_layers=layers == "scan", parent=None)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the leaves `head:...`, a checkpoint's classification head."""
        return {}
