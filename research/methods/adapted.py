"""Where a backbone meets its methods: the only place that knows both."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.traverse_util import unflatten_dict

from research.methods.interception import layers_adapted
from research.methods.method import Array, Leaves, Method, added_to, backbone
from research.models.layers.attention import KeyValueMemory
from research.models.layers.remat import layers_again
from research.models.model import Model


class EncoderOutput(NamedTuple):
    """What an encoder makes of rows with all that stands before them.

    hidden: [B, N, D]. valid: [B, N] bool. positions: [B, N]. soft: how many of the N positions are
    soft prompts, which come first; lead: how many stand before the rows' own.
    """

    hidden: jax.Array
    valid: jax.Array
    positions: jax.Array
    soft: Array | int
    prompt_embeddings: int


@dataclass(frozen=True)
class Adapted:
    """A backbone with its methods applied, at compute precision `dtype`.

    leaves: backbone leaves and every method's own, as one flat dict; cast to `dtype` here, so
    trained leaves may stay in float32. dropout: rate of the model's own dropout while training.
    remat: see `layers_again`.
    """

    model: Model
    methods: tuple[Method, ...]
    leaves: Leaves
    dtype: Any = jnp.float32
    dropout: float = 0.0
    remat: bool = False

    @property
    def route(self) -> str:
        """How labels are scored: by a method's head, or as the model predicts tokens."""
        return "head" if self._head is not None else self.model.ROUTE

    def prefix(
        self, opening: Array, length: Array, key: jax.Array | None = None
    ) -> tuple[tuple[KeyValueMemory, ...], jax.Array]:
        """What every row of a batch attends to in a causal model, computed once at batch one.

        opening: [S] tokens (BOS, demonstrations), of which `length` [] are real; soft prompts
        stand before them, and per-layer prefixes before these. key: a random key while training.
        Returns (memories, offset): the memories to hand to `rows` and the position [] of a row's
        first token.
        """
        memories, offset = self.layer_prefixes()
        lead, soft = self.prompt_embeddings(opening)
        if len(lead) == 0:
            return memories, offset
        slots = jnp.arange(len(lead), dtype=jnp.int32)[None]
        keys = None if key is None else key[None]
        _, memory = self._apply(
            lead[None], offset + slots, slots < soft + length, memories, keys=keys
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

        valid: [B, T] bool, False on padding. cross: what a seq2seq model's encoder offers.
        keys: [B] one random key per row while training. at: [B, L] slots, where hidden [B, L, D] is
        wanted of these alone; not of a seq2seq model.
        """
        also = () if cross is None else (cross,)
        return self._apply(tokens, positions, valid, memories, *also, keys=keys, at=at)

    def encode(
        self,
        tokens: Array,
        valid: jax.Array,
        opening: Array,
        length: Array,
        types: jax.Array | None = None,
        keys: jax.Array | None = None,
        first: bool = False,
    ) -> EncoderOutput:
        """An encoder's view of rows [B, T], where everything sees everything: soft prompts and
        the opening [S], of which `length` [] are real, are concatenated to every row.

        types: [B, T] segments of the tokens, for masked models; what stands before has segment 0.
        first: whether of these models hidden [B, 1, D] of the first position is all that is wanted.
        """
        size = len(tokens)
        own, (lead, soft) = (
            self._apply(tokens, method="embed", keys=keys),
            self.prompt_embeddings(opening),
        )
        before = len(lead)
        shared = jnp.broadcast_to(lead[None], (size, *lead.shape))
        slots = jnp.arange(before + tokens.shape[1], dtype=jnp.int32)[None]
        is_lead = jnp.broadcast_to(slots[:, :before] < soft + length, (size, before))
        everything = jnp.concatenate([is_lead, valid], axis=1)
        places = jnp.where(slots < before, slots, slots - before + soft + length)
        embedded = jnp.concatenate([shared, own], axis=1)
        if self.model.ROUTE == "seq2seq":
            positions = jnp.broadcast_to(places, everything.shape)
            hidden = self._apply(embedded, positions, everything, method="encode", keys=keys)
            return EncoderOutput(hidden, everything, positions, soft, before)
        memories, offset = self.layer_prefixes()
        positions = jnp.broadcast_to(offset + places, everything.shape)
        segments = None if types is None else jnp.pad(types, ((0, 0), (before, 0)))
        at = jnp.zeros((size, 1), jnp.int32) if first else None
        hidden = self._apply(embedded, positions, everything, segments, memories, keys=keys, at=at)
        return EncoderOutput(hidden, everything, positions, soft, before)

    def cross_memory(self, read: EncoderOutput, keys: jax.Array | None = None) -> KeyValueMemory:
        """What the decoder of a seq2seq model attends to across."""
        return self._apply(
            read.hidden, read.positions, read.valid, method="cross_memories", keys=keys
        )

    def logits(self, hidden: jax.Array) -> jax.Array:
        """[..., V] in float32 for hidden [..., D]."""
        return self._apply(hidden, method="logits")

    def classes(self, read: EncoderOutput) -> jax.Array:
        """[B, C] in float32: the classification head's logits of the rows read."""
        head, leaf = self._head  # pyright: ignore
        if head.pool == "mean":
            counted = read.valid & (jnp.arange(read.hidden.shape[1]) >= read.soft)[None]
            weights = counted.astype(jnp.float32)[..., None]
            features = (read.hidden * weights).sum(axis=1) / weights.sum(axis=1)
        else:
            features = self._apply(read.hidden, method="features")
        return head.logits(leaf, features.astype(jnp.float32))

    def layer_prefixes(self) -> tuple[tuple[KeyValueMemory, ...], jax.Array]:
        """(keys and values that methods put before every layer's, how many positions they take)."""
        memories: list[KeyValueMemory] = []
        offset = 0
        for method in self.methods:
            own = added_to(method, self.leaves).get("", {})
            if (offered := method.memory(own)) is None:
                continue
            keys, values = (self._cast(x) for x in offered)
            layers, length, width = keys.shape
            heads = (1, length, width // self.model.config.head_width, -1)
            places = offset + jnp.arange(length, dtype=jnp.int32)[None]
            memories.append(
                KeyValueMemory(
                    tuple(keys[i].reshape(heads) for i in range(layers)),
                    tuple(values[i].reshape(heads) for i in range(layers)),
                    jnp.ones((1, length), bool),
                    places,
                )
            )
            offset += length
        return tuple(memories), jnp.asarray(offset, jnp.int32)

    @property
    def pools_first(self) -> bool:
        """Whether the classification head reads the first position alone."""
        return self._head is not None and self._head[0].pool == "first"

    @property
    def _head(self) -> tuple[Any, Leaves] | None:
        """(the method with a classification head, its leaves), if there is one."""
        heads = [m for m in self.methods if m.is_head]
        return (heads[0], added_to(heads[0], self.leaves)[""]) if heads else None

    def soft_prompts(self) -> list[jax.Array]:
        """Embeddings [P, D] of each method's that has some, in their order."""
        own = (added_to(method, self.leaves).get("", {}) for method in self.methods)
        soft = [method.prefix(leaf) for method, leaf in zip(self.methods, own, strict=True)]
        return [self._cast(part) for part in soft if part is not None]

    def prompt_embeddings(self, opening: Array) -> tuple[jax.Array, Array | int]:
        """(embeddings [P + S, D] of soft prompts and opening, P)."""
        parts = self.soft_prompts()
        length = sum(part.shape[0] for part in parts)
        return jnp.concatenate([*parts, self._apply(opening[None], method="embed")[0]]), length

    def _cast(self, array: Array) -> jax.Array:
        return jnp.asarray(array, self.dtype)

    def _apply(
        self,
        *args: Any,
        keys: jax.Array | None = None,
        at: jax.Array | None = None,
        method: str = "__call__",
    ) -> Any:
        chosen: dict[str, Any] = {} if at is None else {"at": at}
        params = unflatten_dict(jax.tree.map(self._cast, backbone(self.leaves)), sep="/")
        adapted = layers_adapted(self.methods, self.leaves, self.dtype, self.dropout, keys)
        with adapted, layers_again(self.remat):
            return self.model.apply({"params": params}, *args, method=method, **chosen)
