"""Where a backbone meets its methods: the only place that knows both."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.traverse_util import unflatten_dict

from research.methods.method import Array, Leaves, Method, Site, added_to, backbone, path_key
from research.models.layers import Memory


@dataclass(frozen=True)
class Adapted:
    """A backbone with its methods applied, at compute precision `dtype`.

    leaves: backbone leaves and every method's own, as one flat dict; cast to `dtype` here, so
    trained leaves may stay in float32.
    """

    model: nn.Module
    methods: tuple[Method, ...]
    leaves: Leaves
    dtype: Any = jnp.float32

    def prefix(
        self, tokens: Array, length: Array, key: jax.Array | None = None
    ) -> tuple[tuple[Memory, ...], jax.Array]:
        """What every row of a batch attends to, computed once at batch one.

        tokens: [S] the hard prefix (BOS, demonstrations), of which `length` [] are real; soft
        prompts stand before it. key: a random key while training.
        Returns (memories, offset): the memories to hand to `rows` and the position [] of a row's
        first token.
        """
        parts = [self._cast(p) for m in self.methods if (p := self._soft(m)) is not None]
        soft = sum(part.shape[0] for part in parts)
        total = soft + tokens.shape[0]
        if total == 0:
            return (), jnp.zeros((), jnp.int32)
        parts.append(self._apply(tokens[None], method="embed")[0])
        positions = jnp.arange(total, dtype=jnp.int32)[None]
        embedded = jnp.concatenate(parts)[None]
        keys = None if key is None else key[None]
        _, memory = self._apply(embedded, positions, positions < soft + length, keys=keys)
        return (memory,), jnp.asarray(soft + length)

    def rows(
        self,
        tokens: Array,
        valid: jax.Array,
        positions: jax.Array,
        memories: tuple[Memory, ...] = (),
        keys: jax.Array | None = None,
    ) -> tuple[jax.Array, Memory]:
        """(hidden [B, T, D], memory of these positions) for tokens [B, T] after `memories`.

        valid: [B, T] bool, False on padding. keys: [B] one random key per row while training.
        """
        return self._apply(tokens, positions, valid, memories, keys=keys)

    def logits(self, hidden: jax.Array) -> jax.Array:
        """[..., V] in float32 for hidden [..., D]."""
        return self._apply(hidden, method="logits")

    def _soft(self, method: Method) -> Array | None:
        own = added_to(method, self.leaves)
        return method.prefix(own[""]) if "" in own else None

    def _cast(self, array: Array) -> jax.Array:
        return jnp.asarray(array, self.dtype)

    def _apply(self, *args, keys: jax.Array | None = None, method: str = "__call__") -> Any:
        params = unflatten_dict(jax.tree.map(self._cast, backbone(self.leaves)), sep="/")
        with self._layers_adapted(keys):
            return self.model.apply({"params": params}, *args, method=method)

    @contextlib.contextmanager
    def _layers_adapted(self, keys: jax.Array | None) -> Iterator[None]:
        """Within, a call of a layer that some method added leaves to goes through that method."""
        added = [(m, jax.tree.map(self._cast, added_to(m, self.leaves))) for m in self.methods]

        def intercept(call, args, kwargs, context):
            path = "/".join(context.module.path)
            touched = [(m, own[path]) for m, own in added if path and path in own]
            if context.method_name != "__call__" or not touched:
                return call(*args, **kwargs)
            kernel = context.module.get_variable("params", "kernel")
            here = None if keys is None else jax.vmap(lambda key: path_key(key, path))(keys)
            for method, leaf in touched:
                call = partial(method.layer, leaf, site=Site(call, kernel, here))
            return call(*args, **kwargs)

        with nn.intercept_methods(intercept):
            yield


def merged(methods: tuple[Method, ...], leaves: Leaves) -> Leaves:
    """Backbone leaves [..] with every mergeable method folded into the kernels it changes.

    Raises ValueError for a method with added leaves and no `merge`.
    """
    result = dict(backbone(leaves))
    for method in methods:
        for path, leaf in added_to(method, leaves).items():
            merge = getattr(method, "merge", None)
            if merge is None:
                raise ValueError(f"{method.name} cannot be merged into the backbone")
            result[f"{path}/kernel"] = merge(leaf, result[f"{path}/kernel"])
    return result
