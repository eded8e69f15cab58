"""Floating-point operations (FLOPs) counted from shapes.

Two operations for each weight of a kernel and each token that the kernel is applied to (Kaplan et
al. 2020, arXiv 2001.08361, section 2.1).
"""

import re
import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from research.evaluation.trunk.boundary import LEAST_FLOPS
from research.methods.method import Leaves, Method

STACK = r"(|encoder/|decoder/)layers_(\d+)/"
ABOVE_STACKS = r"(|encoder/|decoder/)(final_norm|head|pooler)/|head:"
# Kernels whose output other tokens attend to.
KEYS_AND_VALUES = r"/attention/(key|value|qkv|qkv_by_head)/"
NO_KERNEL = r".*embedding$|\w+:/"  # embedding tables, and leaves of methods that are in no layer


def step_flops(
    leaves: Leaves,
    trained: Collection[str],
    rows: int,
    tokens: float,
    targets: int,
    last_tokens: float | None = None,
) -> float:
    """FLOPs of one training step, without attention scores, norms and embedding tables.

    The backward pass takes as many operations as the forward pass for the gradient of a kernel's
    input, if this or a lower layer trains, and as many for the gradient of the kernel, if it
    trains.

    Args:
        leaves: all leaves, or their shapes.
        trained: paths of the leaves that train.
        rows: rows of a batch.
        tokens: tokens of a row.
        targets: predicted tokens of a row; 0 for a classification head.
        last_tokens: tokens of a row that the last layer is computed for, except for its keys and
            values; None for all.
    """
    lowest = min(map(_height, trained), default=(2, 0.0))  # above everything if nothing trains
    top = (0, max((_height(path)[1] for path in leaves if path.startswith("layers_")), default=-1))

    def passes(path: str) -> int:
        return 1 + (_height(path) >= lowest) + (path in trained)

    total = 0.0
    for path, leaf in leaves.items():
        if len(leaf.shape) == 2 and not re.match(NO_KERNEL, path):
            applied = tokens if _reads_rows(path) else targets
            if _height(path) == top and not re.search(KEYS_AND_VALUES, path):
                applied = tokens if last_tokens is None else last_tokens
            total += 2.0 * leaf.size * applied * passes(path)
    if "head/kernel" not in leaves:  # the embedding table makes the logits
        total += 2.0 * leaves["embed/embedding"].size * targets * 2
    return rows * total


def method_step_flops(
    leaves: Leaves,
    trained: Collection[str],
    methods: Sequence[Method],
    route: str,
    *,
    rows: int,
    tokens: float,
    before: int,
    shared: bool,
    targets: int,
) -> float:
    """`step_flops` of a model with methods.

    Args:
        leaves: all leaves, or their shapes.
        trained: paths of the leaves that train.
        methods: the methods at work.
        route: the route of the model.
        rows: rows of a batch.
        tokens: tokens of a row.
        before: positions before every row, such as those of a soft prompt.
        shared: whether these positions are computed once for all rows.
        targets: tokens of a label.
    """
    applied = tokens + (before / rows if shared else before)
    return step_flops(leaves, trained, rows, applied, *_predicted(route, methods, targets))


def above_trunk(leaves: Leaves, trained: Collection[str]) -> Leaves:
    """The leaves without the layers below the lowest trained one, if their states are kept.

    Args:
        leaves: all leaves, or their shapes.
        trained: paths of the leaves that train.
    """
    lowest = min(map(_height, trained), default=(-1, 0.0))
    below = [p for p in leaves if re.search(STACK, p) and _height(p) < lowest]
    flops = 2.0 * sum(leaves[path].size for path in below if len(leaves[path].shape) == 2)
    if flops < LEAST_FLOPS:
        return leaves
    return {path: leaf for path, leaf in leaves.items() if path not in below}


def kernels_above(leaves: Leaves, trained: Collection[str]) -> list[str]:
    """The kernels of layers from the lowest trained leaf on."""
    lowest = min(map(_height, trained))
    return [
        path
        for path, leaf in leaves.items()
        if re.match(STACK, path) and len(leaf.shape) == 2 and _height(path) >= lowest
    ]


def rough_flops(parameters: int, tokens: int, trained_tokens: int) -> float:
    """FLOPs from the number of parameters; a training token costs three times a scored one."""
    return 2.0 * parameters * (tokens + 3 * trained_tokens)


def rate(seconds: float = 0.2, size: int = 1024, dtype: Any = jnp.float32) -> float:
    """Measured FLOPs per second of a matrix product [size, size] on the first device."""
    product = jax.jit(lambda a, b: a @ b)
    # A GPU multiplies matrices of ones faster than matrices of random numbers.
    matrix = jax.random.uniform(jax.random.key(0), (size, size), dtype)
    product(matrix, matrix).block_until_ready()
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        product(matrix, matrix).block_until_ready()
        done += 1
    return 2.0 * size**3 * done / (time.perf_counter() - begun)


def _predicted(route: str, methods: Iterable[Method], targets: int) -> tuple[int, int | None]:
    """(predicted tokens of a row, tokens that the last layer is computed for or None for all)."""
    head: Any = next((method for method in methods if method.is_head), None)
    if head is not None:
        return 0, None if head.pool == "mean" else 1
    return targets, targets if route == "causal" else None


def _reads_rows(path: str) -> bool:
    """Whether a layer reads the tokens of rows; most of T5's decoder reads only targets."""
    name = path.rpartition(":")[2]
    across = re.search(r"/cross/(key|value)/", name) is not None
    return re.match(STACK, name) is not None and (across or not name.startswith("decoder/"))


def _height(path: str) -> tuple[int, float]:
    """(stack, layer), larger for later layers; T5's decoder is above its encoder."""
    if above := re.match(ABOVE_STACKS, path):
        return (0 if above[1] == "encoder/" else 1, float("inf"))
    layer = re.match(STACK, path.rpartition(":")[2])
    if layer is None:  # an embedding table or a soft prompt
        return (-1, 0)
    return (1 if layer[1] == "decoder/" else 0, int(layer[2]))
