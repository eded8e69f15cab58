"""Routes the calls of backbone layers through the methods that added leaves to them."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from research.methods.method import LayerCall, Leaves, Method
from research.methods.shared.dropout import shared_dropout
from research.methods.shared.leaves import added_to_layers, path_key
from research.models.layers.dropout import Dropout


@contextlib.contextmanager
def layers_adapted(
    methods: Sequence[Method],
    leaves: Leaves,
    dtype: Any,
    dropout: float = 0.0,
    keys: jax.Array | None = None,
) -> Iterator[None]:
    """Within it, calling a layer calls `Method.layer` of each method that added leaves there.

    Args:
        methods: the first is innermost.
        leaves: the methods' own among them, cast to `dtype` here.
        dropout: rate of the model's own dropout while training.
        keys: one random key per row [B] while training, None while evaluating.
    """
    added = [
        (method, jax.tree.map(lambda x: jnp.asarray(x, dtype), added_to_layers(method, leaves)))
        for method in methods
    ]

    def intercept(call, args, kwargs, context):
        path = "/".join(context.module.path)
        layer_keys = None if keys is None else jax.vmap(lambda key: path_key(key, path))(keys)
        if dropout and isinstance(context.module, Dropout):
            if context.method_name == "works":
                return layer_keys is not None
            return shared_dropout(args[0], dropout, layer_keys)
        here = [(method, layers[path]) for method, layers in added if path in layers]
        if context.method_name != "__call__" or not here:
            return call(*args, **kwargs)
        kernel = context.module.get_variable("params", "kernel")
        module, variables = context.module.unbind()  # a method may call the layer more than once
        call = partial(module.apply, variables)
        for method, leaf in here:
            call = partial(method.layer, leaf, site=LayerCall(call, kernel, layer_keys))
        return call(*args, **kwargs)

    with nn.intercept_methods(intercept):
        yield
