"""Calls of backbone layers with what methods and dropout change in them."""

import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import linen as nn

from research.methods.method import LayerCall, Leaves, Method
from research.methods.shared.dropout import shared_dropout
from research.models.layers.dropout import Dropout

# Each method with its leaves by the path of a layer.
Added = tuple[tuple[Method, dict[str, Leaves]], ...]


class UnboundLayer(NamedTuple):
    """A transformer layer and what methods added to it, by paths within it.

    Attributes:
        module: equal for layers that compute the same.
        variables: of the module.
        added: the methods that added leaves to it.
        salts: what distinguishes the random keys of its modules, see `salt_of`.
    """

    module: nn.Module
    variables: Any
    added: Added
    salts: dict[str, np.uint32]


def unbound_layer(module: nn.Module, path: str, added: Added) -> UnboundLayer:
    """The transformer layer at `path` of a model, apart from the model."""
    unbound, variables = module.unbind()
    inside: list[tuple[Method, dict[str, Leaves]]] = []
    salts: dict[str, np.uint32] = {}
    for method, layers in added:
        of_layer = {p[len(path) + 1 :]: p for p in layers if p == path or p.startswith(f"{path}/")}
        if of_layer:
            inside.append((method, {within: layers[p] for within, p in of_layer.items()}))
            salts |= {within: salt_of(p) for within, p in of_layer.items()}
    return UnboundLayer(unbound.clone(name=None), variables, tuple(inside), salts)


@partial(jax.jit, static_argnums=(0, 1))
def layer_output(
    module: nn.Module,
    dropout: float,
    variables: Any,
    added: Added,
    keys: jax.Array | None,
    salts: Mapping[str, Any],
    args: Any,
    kwargs: Any,
) -> Any:
    """The output of a transformer layer, whose trace equal layers share.

    Args:
        module: of an `UnboundLayer`, as `variables` and `added`.
        dropout: rate of the model's own dropout while training.
        variables: of the module.
        added: the methods that added leaves to it.
        keys: one random key per row [B] while training, None while evaluating.
        salts: of the modules within it that methods or dropout change.
        args: of the module's call.
        kwargs: of the module's call.
    """

    def intercept(call, args, kwargs, context):
        path = "/".join(context.module.path)
        if dropout and isinstance(context.module, Dropout):
            return dropout_call(context.method_name, args, dropout, keys, salts[path])
        if context.method_name == "__call__":
            layer_keys = partial(keys_of, keys, salts.get(path))
            call = adapted_call(call, context.module, path, added, layer_keys)
        return call(*args, **kwargs)

    with nn.intercept_methods(intercept):
        return module.apply(variables, *args, **kwargs)


def adapted_call(
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


def dropout_call(
    method_name: str, args: tuple[Any, ...], rate: float, keys: jax.Array | None, salt: Any
) -> Any:
    """The result of a method of `Dropout` at this rate."""
    if method_name == "works":
        return keys is not None
    return shared_dropout(args[0], rate, keys_of(keys, salt))


def salt_of(path: str) -> np.uint32:
    """What distinguishes the random keys of a layer from those of others, as in `path_key`."""
    return np.uint32(zlib.crc32(path.encode()))


def keys_of(keys: jax.Array | None, salt: Any) -> jax.Array | None:
    """The random keys [B] of a layer."""
    return None if keys is None else jax.vmap(lambda key: jax.random.fold_in(key, salt))(keys)
