"""Routes the calls of backbone layers through the methods that added leaves to them."""

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax.core import Tracer

from research.methods.method import Leaves, Method
from research.methods.shared.layer_calls import (
    Added,
    adapted_call,
    dropout_call,
    keys_of,
    layer_output,
    salt_of,
    unbound_layer,
)
from research.methods.shared.layer_scan import LayerScan, scanned_layers
from research.methods.shared.leaves import added_to_layers
from research.models.layers.dropout import Dropout
from research.models.layers.remat import LAYER
from research.models.layers.stack import RUN_LAYERS


@contextlib.contextmanager
def layers_adapted(
    methods: Sequence[Method],
    leaves: Leaves,
    dtype: Any,
    dropout: float = 0.0,
    keys: jax.Array | None = None,
    traces_shared: bool = True,
    scan: LayerScan | None = None,
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
        scan: which transformer layers run as one scan; None: all run one after the other.
    """
    added: Added = tuple(
        (method, jax.tree.map(lambda x: jnp.asarray(x, dtype), added_to_layers(method, leaves)))
        for method in methods
    )
    in_scan = False

    def intercept(call, args, kwargs, context):
        nonlocal in_scan
        module, path = context.module, "/".join(context.module.path)
        is_call = context.method_name == "__call__"
        if in_scan:  # `layer_output` intercepts these calls itself
            return call(*args, **kwargs)
        if scan is not None and context.method_name == RUN_LAYERS:
            in_scan = True
            try:
                return scanned_layers(module.layers, added, keys, dropout, scan, *args)
            finally:
                in_scan = False
        if is_call and traces_shared and not dropout and _is_traced_layer(path, args):
            return _layer_call(module, path, added, keys, args, kwargs)
        if dropout and isinstance(module, Dropout):
            return dropout_call(context.method_name, args, dropout, keys, salt_of(path))
        if is_call:
            layer_keys = partial(keys_of, keys, salt_of(path))
            call = adapted_call(call, module, path, added, layer_keys)
        return call(*args, **kwargs)

    with nn.intercept_methods(intercept):
        yield


def _is_traced_layer(path: str, args: tuple[Any, ...]) -> bool:
    """Whether a call is that of a transformer layer, within a function that JAX traces."""
    return LAYER.fullmatch(path) is not None and isinstance(args[0], Tracer)


def _layer_call(
    module: nn.Module, path: str, added: Added, keys: jax.Array | None, args: Any, kwargs: Any
) -> Any:
    """The call of a transformer layer by `layer_output`."""
    layer, variables, inside, salts = unbound_layer(module, path, added)
    used_keys = keys if inside else None
    return layer_output(layer, 0.0, variables, inside, used_keys, salts, args, kwargs)
