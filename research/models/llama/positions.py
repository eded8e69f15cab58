"""Rotary positions and masks of a decoder's layers."""

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array

from research.models.layers.attention import take_positions
from research.models.layers.key_value_memory import KeyValueMemory
from research.models.layers.rope import Rope, Rotation, rotation_at
from research.models.llama.config import DecoderConfig


def layer_rotations(config: DecoderConfig, positions: Array, alike: bool) -> list[Rotation | None]:
    """The rotation of each layer at positions [B, T]; None for a layer without rotary positions.

    Layers with equal rotations have the same object.

    Args:
        config: the decoder's.
        positions: [B, T] int32.
        alike: whether a layer without rotary positions has a rotation by 0 instead of None, so that
            it is part of a scan of layers.
    """
    rotations: dict[Rope | None, Rotation | None] = {None: None}
    for rope in dict.fromkeys((config.rope, *map(config.rope_of, range(config.layers)))):
        if rope is not None:
            frequencies = rope.frequencies(config.rotary_width)
            rotations[rope] = rotation_at(positions, frequencies, rope.scale)
    first = rotations[config.rope]
    if alike and first is not None:
        rotations[None] = (jnp.ones_like(first[0]), jnp.zeros_like(first[1]))
    return [rotations[config.rope_of(layer)] for layer in range(config.layers)]


def window_masks(
    causal_mask: Array,
    positions: Array,
    memories: Sequence[KeyValueMemory],
    window: int | None,
    at: Array | None,
) -> tuple[Array, list[Array]]:
    """(mask of the inputs, mask of each memory) in a layer.

    Args:
        causal_mask: [B, T, T] mask of the inputs without the window.
        positions: [B, T], of the inputs.
        memories: keys and values of earlier positions.
        window: number of positions that a query attends to; None for all.
        at: [B, L] slots that the layer computes; None for all.
    """
    visible, queries = take_positions(causal_mask, at), take_positions(positions, at)
    of_memories = [memory.valid[:, None] for memory in memories]
    if window is None:
        return visible, of_memories
    return _in_window(visible, queries, positions, window), [
        _in_window(mask, queries, memory.positions, window)
        for mask, memory in zip(of_memories, memories, strict=True)
    ]


def _in_window(visible: Array, queries: Array, keys: Array, window: int) -> Array:
    """The mask `visible` [b, T or 1, S], restricted to a window: [B, T, S].

    Args:
        visible: the mask without the window.
        queries: [B, T] positions.
        keys: [b, S] positions.
        window: number of positions that a query attends to.
    """
    served = len(queries) // len(keys)
    visible, keys = (jnp.repeat(x, served, axis=0) for x in (visible, keys))
    return visible & (queries[:, :, None] - keys[:, None] < window)
