"""What every backbone offers, whatever its family."""

from collections.abc import Collection, Mapping
from typing import Any, ClassVar, Literal

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from research.models.checkpoint.key_map import KeyMap
from research.models.layers.attention import by_table

Route = Literal["causal", "seq2seq", "masked"]


class Model(nn.Module):
    """A language model that computes in the precision of the parameters it is given.

    Norms, positions, softmax and logits are in float32 whatever that precision is. A family sets
    `ROUTE`, how a target is predicted: `causal` after the prompt, `seq2seq` by a decoder that reads
    the encoded prompt, `masked` in place of mask tokens. `config` has `vocab_size`, `context` (the
    most positions, None if any number works), `head_width` (of an attention head) and `to_hf()`,
    the fields of a config.json. The table of token embeddings is the leaf `embed/embedding`, layer
    i is the module `layers_{i}` of its stack.

    A family's `setup` makes `table`, the `token_table`, and where it is not tied `head`, the
    `output_head`. Besides the methods here, `causal` models have
        __call__(inputs, positions, valid, memories=(), at=None) -> (hidden [B, T, D], Memory)
    `masked` ones
        __call__(inputs, positions, valid, types=None, memories=(), at=None) -> hidden [B, T, D]
        features(hidden [B, T, D]) -> [B, D], what a classification head reads
    and `seq2seq` ones
        encode(inputs, positions, valid, memories=()) -> hidden [B, S, D]
        offered(hidden [B, S, D], positions, valid) -> Memory for the decoder's cross-attention
        __call__(inputs, positions, valid, memories=(), cross=None) -> (hidden [B, T, D], Memory)
    inputs: [B, T] tokens or [B, T, D] embeddings. positions: [B, T] int32. valid: [B, T] bool,
    False on padding, which nothing attends to. memories: what stands before, see `Memory`. at:
    [B, L] slots; with it the hidden states are [B, L, D], of these, and the last layer computes no
    others: of a decoder of six layers that reads one slot a row, a seventh less work.
    """

    ROUTE: ClassVar[Route]
    DROPS: ClassVar[bool] = False  # whether all places of its dropout are there, see `Dropout`
    KEY_MAP: ClassVar[KeyMap]
    CONFIG: ClassVar[Any]  # the class of `config`

    config: Any

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], names: Collection[str] = ()) -> "Model":
        """From the fields of a config.json and the names of the checkpoint's tensors.

        Raises InputError for whatever would change the computation and is not supported.
        """
        del names
        return cls(cls.CONFIG.from_hf(config))

    def to_hf(self) -> dict[str, Any]:
        """The inverse of `from_hf`: all fields of a config.json that change the computation."""
        return self.config.to_hf()

    def embed(self, tokens: Array) -> Array:
        """[B, T, D] embeddings of tokens [B, T], without those of positions and segments; a soft
        prompt stands beside these.
        """
        return self.table(tokens)

    def embedded(self, inputs: Array) -> Array:
        """[B, T, D] of tokens [B, T] or embeddings [B, T, D], in the precision of the table."""
        if jnp.issubdtype(inputs.dtype, jnp.integer):
            inputs = self.embed(inputs)
        return inputs.astype(self.table.embedding.dtype)

    def logits(self, hidden: Array) -> Array:
        """[..., V] in float32, for hidden states [..., D] after the final norm."""
        return by_table(hidden, self.table.embedding) if self.config.tied else self.head(hidden)

    def head_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the leaves `head:...` of a classification head that a checkpoint has."""
        return {}
