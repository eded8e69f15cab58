"""Routes the calls of backbone layers through the methods that added leaves to them."""

import contextlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.core import Tracer

from research.methods.method import LayerCall, Leaves, Method
from research.methods.shared.dropout import shared_dropout
from research.methods.shared.leaves import added_to_layers
from research.models.layers.dropout import Dropout
from research.models.layers.remat import LAYER

# Each method with its leaves by the path of a layer.
Added = tuple[tuple[Method, dict[str, Leaves]], ...]


@contextlib.contextmanager
def layers_adapted(
    methods: Sequence[Method],
    leaves: Leaves,
    dtype: Any,
    dropout: float = 0.0,
    keys: jax.Array | None = None,
    traces_shared: bool = True,
) -> Iterator[None]:
    """Within it, calling a layer calls `Method.layer` of each method that added leaves there.

    Args:
        methods: the first is innermost.
        leaves: the methods' own among them, cast to `dtype` here.
        dropout: rate of the model's own dropout while training.
        keys: one random key per row [B] while training, None while evaluating.
        traces_shared: whether transformer layers of equal shapes are traced once. A step with LoRA
            on 30 layers is then traced in a quarter of the time; XLA compiles the same program. The
            model's own dropout excludes it.
    """
    added = tuple(
        (method, jax.tree.map(lambda x: jnp.asarray(x, dtype), added_to_layers(method, leaves)))
        for method in methods
    )

    def intercept(call, args, kwargs, context):
        module, path = context.module, "/".join(context.module.path)
        is_call = context.method_name == "__call__"
        if is_call and traces_shared and not dropout and _is_traced_layer(path, args):
            return _layer_call(module, path, added, keys, args, kwargs)
        if dropout and isinstance(module, Dropout):
            if context.method_name == "works":
                return keys is not None
            return shared_dropout(args[0], dropout, _layer_keys(keys, _salt(path)))
        if is_call:
            call = _adapted(call, module, path, added, partial(_layer_keys, keys, _salt(path)))
        return call(*args, **kwargs)

    with nn.intercept_methods(intercept):
        yield


def _adapted(
    call: Any,
    module: nn.Module,
    path: str,
    added: Added,
    layer_keys: Callable[[], jax.Array | None],
) -> Any:
    """The call of a layer, through the methods that added leaves to it."""
    here = [(method, layers[path]) for method, layers in added if path in layers]
    if not here:
        return call
    kernel, keys = module.get_variable("params", "kernel"), layer_keys()
    module, variables = module.unbind()  # a method may call the layer more than once
    call = partial(module.apply, variables)
    for method, leaf in here:
        call = partial(method.layer, leaf, site=LayerCall(call, kernel, keys))
    return call


def _is_traced_layer(path: str, args: tuple[Any, ...]) -> bool:
    """Whether a call is that of a transformer layer, within a function that JAX traces."""
    return LAYER.fullmatch(path) is not None and isinstance(args[0], Tracer)


def _layer_call(
    module: nn.Module, path: str, added: Added, keys: jax.Array | None, args: Any, kwargs: Any
) -> Any:
    """The call of a transformer layer by `_layer`, whose trace equal layers share."""
    unbound, variables = module.unbind()
    inside: list[tuple[Method, dict[str, Leaves]]] = []
    salts: dict[str, np.uint32] = {}
    for method, layers in added:
        of_layer = {p[len(path) + 1 :]: p for p in layers if p == path or p.startswith(f"{path}/")}
        if of_layer:
            inside.append((method, {within: layers[p] for within, p in of_layer.items()}))
            salts |= {within: _salt(p) for within, p in of_layer.items()}
    used_keys = keys if inside else None
    layer = unbound.clone(name=None)
    return _layer(layer, variables, tuple(inside), used_keys, salts, args, kwargs)


@partial(jax.jit, static_argnums=0)
def _layer(
    layer: nn.Module,
    variables: Any,
    added: Added,
    keys: jax.Array | None,
    salts: Mapping[str, Any],
    args: Any,
    kwargs: Any,
) -> Any:
    """The output of a transformer layer, for paths within it."""

    def intercept(call, args, kwargs, context):
        path = "/".join(context.module.path)
        if context.method_name == "__call__":
            layer_keys = partial(_layer_keys, keys, salts.get(path))
            call = _adapted(call, context.module, path, added, layer_keys)
        return call(*args, **kwargs)

    with nn.intercept_methods(intercept):
        return layer.apply(variables, *args, **kwargs)


def _salt(path: str) -> np.uint32:
    """What distinguishes the random keys of a layer from those of others, as in `path_key`."""
    return np.uint32(zlib.crc32(path.encode()))


def _layer_keys(keys: jax.Array | None, salt: Any) -> jax.Array | None:
    """The random keys [B] of a layer."""
    return None if keys is None else jax.vmap(lambda key: jax.random.fold_in(key, salt))(keys)
