"""Keys and values of earlier positions, and the sources of attention in each layer."""

from collections.abc import Sequence
from typing import NamedTuple

from jax import Array

from research.models.layers.softmax_attention import Source


class KeyValueMemory(NamedTuple):
    """Keys and values of earlier positions, a KV cache.

    A memory with b rows serves B rows: row i reads memory row i // (B // b).

    Attributes:
        keys: one [b, S, G, K] per layer, already rotated.
        values: one [b, S, G, K] per layer.
        valid: [b, S] bool, False on padding.
        positions: [b, S] int32.
    """

    keys: tuple[Array, ...]
    values: tuple[Array, ...]
    valid: Array
    positions: Array


def layer_sources(
    memories: Sequence[KeyValueMemory], layers: int, biases: Sequence[Array | None] | None = None
) -> list[list[Source]]:
    """The memories as sources of each layer, for layers whose masks are the same.

    Args:
        memories: keys and values of earlier positions.
        layers: number of layers.
        biases: of the scores of each memory, the same in all layers; None for none.
    """
    biases = [None] * len(memories) if biases is None else biases
    common = [(m, m.valid[:, None], bias) for m, bias in zip(memories, biases, strict=True)]
    return [
        [Source(m.keys[i], m.values[i], visible, bias) for m, visible, bias in common]
        for i in range(layers)
    ]
