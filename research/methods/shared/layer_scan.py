"""Runs equal transformer layers, with what methods and dropout change in them, as one scan."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import jax
from flax import linen as nn

from research.methods.shared.layer_calls import Added, layer_output, salt_of, unbound_layer
from research.models.layers.dropout import Dropout
from research.models.layers.stack import LayerInputs, run_as_scans


class LayerScan(NamedTuple):
    """How equal layers run as one scan.

    Attributes:
        trained: paths of the leaves that training may change. Layers of which other leaves train
            are not part of one scan: gradients would be computed for all of them.
        remat: whether activations are computed again for gradients, see `layers_again`.
    """

    trained: Collection[str] = ()
    remat: bool = False


def scanned_layers(
    layers: Sequence[nn.Module],
    added: Added,
    keys: jax.Array | None,
    dropout: float,
    scan: LayerScan,
    hidden: jax.Array,
    arguments: Sequence[tuple[Any, ...]],
) -> tuple[jax.Array, list[tuple[Any, ...]]]:
    """The result of `LayerStack.run_layers`, with equal layers as one scan.

    Args:
        layers: of the stack.
        added: the methods at work.
        keys: one random key per row [B] while training, None while evaluating.
        dropout: rate of the model's own dropout while training.
        scan: which layers are alike.
        hidden: argument of `LayerStack.run_layers`; as the next.
        arguments: of each layer.
    """
    inputs: list[LayerInputs] = []
    drops: dict[nn.Module, list[str]] = {}
    for layer, others in zip(layers, arguments, strict=True):
        path = "/".join(layer.path)
        module, variables, inside, salts = unbound_layer(layer, path, added)
        if dropout:
            if module not in drops:
                drops[module] = _dropout_paths(module, variables, hidden, others)
            salts |= {within: salt_of(f"{path}/{within}") for within in drops[module]}
        trained = [p[len(path) :] for p in scan.trained if p.startswith(f"{path}/")]
        kind = (module, frozenset(trained))
        inputs.append(LayerInputs(kind, (variables, inside, salts, others)))

    def run(kind: Any, arrays: Any, hidden: jax.Array) -> tuple[jax.Array, tuple[Any, ...]]:
        (module, _), (variables, inside, salts, others) = kind, arrays
        used_keys = keys if inside or dropout else None
        args = (hidden, *others)
        output = layer_output(module, dropout, variables, inside, used_keys, salts, args, {})
        return output[0], tuple(output[1:])

    if scan.remat:
        run = jax.checkpoint(run, static_argnums=0)
    return run_as_scans(run, inputs, hidden)


def _dropout_paths(
    module: nn.Module, variables: Any, hidden: jax.Array, others: tuple[Any, ...]
) -> list[str]:
    """The paths of the places of dropout within a layer that is called with these arguments."""
    paths: list[str] = []

    def intercept(call, args, kwargs, context):
        if isinstance(context.module, Dropout):
            paths.append("/".join(context.module.path))
        return call(*args, **kwargs)

    with nn.intercept_methods(intercept):
        jax.eval_shape(lambda *args: module.apply(*args), variables, hidden, *others)
    return paths
