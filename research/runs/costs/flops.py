"""Roughly how many floating-point operations a training step takes, and how fast they go here."""

import re
import time
from collections.abc import Collection, Iterable
from typing import Any

import jax
import jax.numpy as jnp

from research.methods.method import Leaves, Method

STACK = r"(|encoder/|decoder/)layers_(\d+)/"
ABOVE = r"(|encoder/|decoder/)(final_norm|head|pooler)/|head:"
OFFERS = r"/attention/(key|value|qkv)/"  # what other tokens see of a token
NO_KERNEL = r".*embedding$|\w+:/"  # tables, and what a method adds to no layer


def step_flops(
    leaves: Leaves,
    trained: Collection[str],
    rows: int,
    tokens: float,
    targets: int,
    asking: float | None = None,
) -> float:
    """Of one step on `rows` rows of `tokens` tokens, `targets` of them predicted (0: by a head).

    Two operations for each weight of a kernel and token that meets it; as many again for the
    gradient of its input, where something trains there or below, and for its own, if it trains
    (Kaplan et al. 2020, arXiv 2001.08361, section 2.1). Attention scores, norms and tables are
    left out. leaves: may be shapes. asking: how many tokens of a row the last layer is computed at,
    but for its keys and values (None: all).
    """
    lowest = min(map(_height, trained), default=(2, 0.0))  # above all where nothing trains
    top = (0, max((_height(path)[1] for path in leaves if path.startswith("layers_")), default=-1))

    def passes(path: str) -> int:
        return 1 + (_height(path) >= lowest) + (path in trained)

    total = 0.0
    for path, leaf in leaves.items():
        if len(leaf.shape) == 2 and not re.match(NO_KERNEL, path):
            met = tokens if _reads_rows(path) else targets
            if _height(path) == top and not re.search(OFFERS, path):
                met = tokens if asking is None else asking
            total += 2.0 * leaf.size * met * passes(path)
    if "head/kernel" not in leaves:  # the table makes the logits
        total += 2.0 * leaves["embed/embedding"].size * targets * 2
    return rows * total


def route_flops(route: str, methods: Iterable[Method], targets: int) -> tuple[int, int | None]:
    """(tokens of a row that are predicted, those at which the last layer is computed, None for all)
    where labels have `targets` tokens; a head predicts none.
    """
    head: Any = next((method for method in methods if method.is_head), None)
    if head is not None:
        return 0, 1 if head.pool == "first" else None
    return targets, targets if route == "causal" else None


def rate(seconds: float = 0.2, size: int = 1024, dtype: Any = jnp.float32) -> float:
    """Floating-point operations a second of a matrix product on the first device."""
    product = jax.jit(lambda a, b: a @ b)
    # Of ones a GPU makes a product in less time than of numbers that differ.
    matrix = jax.random.uniform(jax.random.key(0), (size, size), dtype)
    product(matrix, matrix).block_until_ready()
    begun, done = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        product(matrix, matrix).block_until_ready()
        done += 1
    return 2.0 * size**3 * done / (time.perf_counter() - begun)


def _reads_rows(path: str) -> bool:
    """Whether a layer meets the tokens of rows, rather than targets alone, as T5's decoder does."""
    name = path.rpartition(":")[2]
    across = re.search(r"/cross/(key|value)/", name) is not None
    return re.match(STACK, name) is not None and (across or not name.startswith("decoder/"))


def _height(path: str) -> tuple[int, float]:
    """(stack, layer): larger for what is computed later. T5's decoder stands above its encoder."""
    if found := re.match(ABOVE, path):
        return (0 if found[1] == "encoder/" else 1, float("inf"))
    found = re.match(STACK, path.rpartition(":")[2])
    if found is None:  # a table, or a prompt
        return (-1, 0)
    return (1 if found[1] == "decoder/" else 0, int(found[2]))
