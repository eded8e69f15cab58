"""A backbone with its methods applied: the only module that knows both."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from flax.traverse_util import unflatten_dict

from research.methods.interception import layers_adapted
from research.methods.method import Array, Leaves, Method
from research.methods.shared.layer_scan import LayerScan
from research.methods.shared.leaves import added_to, backbone
from research.models.layers.key_value_memory import KeyValueMemory
from research.models.layers.remat import layers_again
from research.models.model import Model


@dataclass(frozen=True)
class Adapted:
    """A backbone with its methods applied.

    Attributes:
        model: the backbone.
        methods: the methods at work, in order; the first is innermost where several change a layer.
        leaves: leaves of the backbone and of all methods, in one flat dict.
        dtype: compute precision; leaves are cast to it here, so trained ones may stay in float32.
        dropout: rate of the model's own dropout while training.
        remat: whether activations are computed again for gradients, see `layers_again`.
        trained: paths of the leaves that training may change, by which layers are divided where
            they run as a scan; the numbers do not depend on it.
    """

    model: Model
    methods: tuple[Method, ...]
    leaves: Leaves
    dtype: Any = jnp.float32
    dropout: float = 0.0
    remat: bool = False
    trained: frozenset[str] = frozenset()

    @property
    def route(self) -> str:
        """How labels are scored: by a method's head, or as the model predicts tokens."""
        return "head" if self._head is not None else self.model.ROUTE

    def prefix(
        self, opening: Array, length: Array, key: jax.Array | None = None
    ) -> tuple[tuple[KeyValueMemory, ...], jax.Array]:
        """The prefix that all rows of a batch share in a causal model, computed once at batch one.

        Per-layer prefixes come first, then soft prompts, then the opening.

        Args:
            opening: [S] tokens (BOS, demonstrations).
            length: [] number of its tokens that are real.
            key: a random key while training.

        Returns:
            (memories, offset): memories for `rows`, and the position [] of a row's first token.
        """
        memories, offset = self.layer_prefixes()
        prompt, soft = self.prompt_embeddings(opening)
        if len(prompt) == 0:
            return memories, offset
        slots = jnp.arange(len(prompt), dtype=jnp.int32)[None]
        keys = None if key is None else key[None]
        _, memory = self.apply(
            prompt[None], offset + slots, slots < soft + length, memories, keys=keys
        )
        return (*memories, memory), offset + soft + length

    def rows(
        self,
        tokens: Array,
        valid: jax.Array,
        positions: jax.Array,
        memories: tuple[KeyValueMemory, ...] = (),
        cross: KeyValueMemory | None = None,
        keys: jax.Array | None = None,
        at: jax.Array | None = None,
    ) -> tuple[jax.Array, KeyValueMemory]:
        """(hidden [B, T, D], memory of these positions) for tokens [B, T] after `memories`.

        Args:
            tokens: [B, T].
            valid: [B, T] bool, False on padding.
            positions: [B, T].
            memories: from `prefix`.
            cross: memory of a seq2seq model's encoder.
            keys: [B] one random key per row while training.
            at: [B, L] slots to return hidden [B, L, D] for, not for a seq2seq model; None: all.
        """
        also = () if cross is None else (cross,)
        return self.apply(tokens, positions, valid, memories, *also, keys=keys, at=at)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """[..., V] in float32 for hidden [..., D]."""
        return self.apply(hidden, method="logits")

    def classes(self, features: jax.Array) -> jax.Array:
        """[B, C] in float32: the classification head's logits for pooled hidden states [B, D]."""
        head, leaf = self._head  # pyright: ignore
        return head.logits(leaf, features.astype(jnp.float32))

    def layer_prefixes(self) -> tuple[tuple[KeyValueMemory, ...], jax.Array]:
        """(keys and values that methods put before those of every layer, number of positions)."""
        memories: list[KeyValueMemory] = []
        offset = 0
        for method in self.methods:
            memory = method.memory(added_to(method, self.leaves).get("", {}))
            if memory is None:
                continue
            keys, values = (self._cast(x) for x in memory)
            layers, length, width = keys.shape
            heads = (1, length, width // self.model.config.head_width, -1)
            positions = offset + jnp.arange(length, dtype=jnp.int32)[None]
            memories.append(
                KeyValueMemory(
                    tuple(keys[i].reshape(heads) for i in range(layers)),
                    tuple(values[i].reshape(heads) for i in range(layers)),
                    jnp.ones((1, length), bool),
                    positions,
                )
            )
            offset += length
        return tuple(memories), jnp.asarray(offset, jnp.int32)

    @property
    def pool(self) -> str | None:
        """How the classification head pools hidden states, see `Head`; None without one."""
        return None if self._head is None else self._head[0].pool

    @property
    def _head(self) -> tuple[Any, Leaves] | None:
        """(the method with a classification head, its leaves), if there is one."""
        heads = [m for m in self.methods if m.is_head]
        return (heads[0], added_to(heads[0], self.leaves)[""]) if heads else None

    def soft_prompts(self) -> list[jax.Array]:
        """Embeddings [P, D] of each method that has a soft prompt, in the order of the methods."""
        prompts = [
            method.prefix(added_to(method, self.leaves).get("", {})) for method in self.methods
        ]
        return [self._cast(prompt) for prompt in prompts if prompt is not None]

    def prompt_embeddings(self, opening: Array) -> tuple[jax.Array, Array | int]:
        """(embeddings [P + S, D] of soft prompts and opening [S], P)."""
        parts = self.soft_prompts()
        length = sum(part.shape[0] for part in parts)
        return jnp.concatenate([*parts, self.apply(opening[None], method="embed")[0]]), length

    def _cast(self, array: Array) -> jax.Array:
        return jnp.asarray(array, self.dtype)

    def apply(
        self,
        *args: Any,
        keys: jax.Array | None = None,
        at: jax.Array | None = None,
        method: str = "__call__",
    ) -> Any:
        """Calls a method of the model with the methods at work.

        Args:
            args: its positional arguments.
            keys: [B] one random key per row while training.
            at: [B, L] slots whose hidden states are wanted; None for all.
            method: its name.
        """
        options: dict[str, Any] = {} if at is None else {"at": at}
        params = unflatten_dict(jax.tree.map(self._cast, backbone(self.leaves)), sep="/")
        shared = not self.remat  # of the two, one wraps a whole layer
        adapted = layers_adapted(
            self.methods,
            self.leaves,
            self.dtype,
            self.dropout,
            keys,
            traces_shared=shared,
            scan=LayerScan(self.trained, self.remat) if self.model.scan_layers else None,
        )
        with adapted, layers_again(self.remat):
            return self.model.apply({"params": params}, *args, method=method, **options)
