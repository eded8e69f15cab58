"""A stack of layers, whose equal layers can run as one `jax.lax.scan`."""

import contextlib
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

RUN_LAYERS = "run_layers"  # name of the method that runs all layers

_loops_unrolled: ContextVar[bool] = ContextVar("loops_unrolled", default=False)


class LayerStack(nn.Module):
    """A module with `layers`, each of which reads the hidden states of the one before.

    A layer returns (hidden states, ...) and depends on its variables and arguments alone, so that
    `research.methods.interception` can run layers as a scan instead.
    """

    def run_layers(
        self, hidden: Array, arguments: Sequence[tuple[Any, ...]]
    ) -> tuple[Array, list[tuple[Any, ...]]]:
        """(hidden states after the last layer, the other outputs of each layer).

        Args:
            hidden: [B, T, D], the input of the first layer.
            arguments: further arguments of each layer. An array that several layers read should be
                the same object: a scan then has it only once.
        """
        outputs: list[tuple[Any, ...]] = []
        for layer, others in zip(self.layers, arguments, strict=True):
            hidden, *output = layer(hidden, *others)
            outputs.append(tuple(output))
        return hidden, outputs


class LayerInputs(NamedTuple):
    """What a layer computes with, apart from the hidden states.

    Attributes:
        kind: all that is no array; only layers with the same one run as one scan.
        arrays: variables and arguments, a pytree.
    """

    kind: Hashable
    arrays: Any


def run_as_scans(
    run: Callable[[Any, Any, Array], tuple[Array, Any]],
    layers: Sequence[LayerInputs],
    hidden: Array,
) -> tuple[Array, list[Any]]:
    """(hidden states after the last layer, the other outputs of each layer).

    Neighbouring layers of the same kind, with arrays of the same structure, shapes and dtypes, run
    as one scan. XLA then compiles them as one layer, whatever their number. Their arrays are
    stacked here, which takes memory for a second copy.

    Args:
        run: of a layer's (kind, arrays, hidden), returns (hidden, others).
        layers: the inputs of each layer.
        hidden: [B, T, D], the input of the first layer.
    """
    outputs: list[Any] = []
    for segment in _segments(layers):
        kind, arrays = segment[0]
        if len(segment) == 1:
            hidden, output = run(kind, arrays, hidden)
            outputs.append(output)
        else:
            hidden, stacked = _scan(partial(run, kind), [layer.arrays for layer in segment], hidden)
            outputs += [_entry(stacked, index) for index in range(len(segment))]
    return hidden, outputs


@contextlib.contextmanager
def loops_unrolled() -> Iterator[None]:
    """Within it, a scan of layers is lowered as one layer after the other.

    XLA counts the FLOPs of a loop's body only once, and counts all layers here. The equations of a
    traced function are the same.
    """
    token = _loops_unrolled.set(True)
    try:
        yield
    finally:
        _loops_unrolled.reset(token)


def _segments(layers: Sequence[LayerInputs]) -> list[list[LayerInputs]]:
    """The layers in order, divided where neighbours cannot run as one scan."""
    segments: list[list[LayerInputs]] = []
    previous = None
    for layer in layers:
        arrays, structure = jax.tree.flatten(layer.arrays)
        shapes = [(jnp.shape(array), jnp.result_type(array)) for array in arrays]
        form = (layer.kind, structure, shapes)
        if form == previous:
            segments[-1].append(layer)
        else:
            segments.append([layer])
        previous = form
    return segments


def _scan(
    run: Callable[[Any, Array], tuple[Array, Any]], layers: Sequence[Any], hidden: Array
) -> tuple[Array, Any]:
    """(hidden states after the last layer, stacked outputs), from the arrays of each layer."""
    structure = jax.tree.structure(layers[0])
    columns = list(zip(*map(jax.tree.leaves, layers), strict=True))
    by_layer: dict[int, Array] = {}  # arrays of each layer, or an index into `several`
    several: dict[int, Array] = {}  # arrays that are not the same for all layers
    for position, column in enumerate(columns):
        distinct = {id(array): array for array in column}
        if len(distinct) == len(column):
            by_layer[position] = jnp.stack(column)
        elif len(distinct) > 1:
            order = list(distinct)
            by_layer[position] = jnp.array([order.index(id(array)) for array in column])
            several[position] = jnp.stack(list(distinct.values()))

    def body(hidden: Array, of_layer: dict[int, Array]) -> tuple[Array, Any]:
        arrays = []
        for position, column in enumerate(columns):
            array = of_layer.get(position, column[0])
            arrays.append(several[position][array] if position in several else array)
        return run(jax.tree.unflatten(structure, arrays), hidden)

    unroll = len(layers) if _loops_unrolled.get() else 1
    return jax.lax.scan(body, hidden, by_layer, length=len(layers), unroll=unroll)


def _entry(stacked: Any, index: int) -> Any:
    """Entry `index` of the first axis of each array."""
    return jax.tree.map(lambda x: jax.lax.index_in_dim(x, index, keepdims=False), stacked)
