"""Attention by cuDNN's fused kernel, which stores no scores (Dao et al. 2022, arXiv 2205.14135)."""

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from research.models.layers.softmax_attention import OnScores, Source

MAX_HEAD_WIDTH = 128  # supported on every GPU that has the kernel
MIN_CAPABILITY = 8.0  # compute capability of Ampere


def suits(
    query: Array,
    sources: Sequence[Source],
    drops: bool,
    on_scores: OnScores = None,
    device: Any = None,
) -> bool:
    """Whether `flash` can and should replace `attend` for these arguments.

    The kernel needs an NVIDIA GPU, Ampere or later, a type of two bytes, heads whose width is a
    multiple of 8, and for its gradients an even number of queries. It has no dropout and applies no
    function to the scores. With one query per row, as in a last layer at one slot, there are few
    scores to store. With XLA's deterministic operations it is not used, since XLA then loses the
    compiled kernel (openxla/xla 46500).

    Args:
        query: [B, T, H, K].
        sources: as of `attend`.
        drops: whether dropout is applied to the weights.
        on_scores: as of `attend`.
        device: of the computation; None for the first device.
    """
    device = jax.devices()[0] if device is None else device
    _, length, _, width = query.shape
    return (
        _runs_kernel(device)
        and not drops
        and on_scores is None
        and not _deterministic()
        and all(x.dtype in (jnp.bfloat16, jnp.float16) for x in (query, *_keys_and_values(sources)))
        and width % 8 == 0
        and width <= MAX_HEAD_WIDTH
        and length > 0
        and length % 2 == 0
    )


def flash(
    query: Array,
    sources: Sequence[Source],
    scale: float,
    implementation: Literal["xla", "cudnn"] = "cudnn",
) -> Array:
    """The output [B, T, H, K] of `attend`, with biases rounded to the queries' precision.

    All sources are concatenated, with a memory's rows repeated for the rows that it serves, and
    padded with a masked position to an even number.
    """
    rows, length = query.shape[:2]
    keys, values = (jnp.concatenate(x, 1) for x in zip(*_by_row(sources, rows), strict=True))
    mask = jnp.concatenate([_by_query(s.visible, rows, length) for s in sources], -1)[:, None]
    bias = []
    if any(source.bias is not None for source in sources):
        bias = [jnp.concatenate([_bias(s, query) for s in sources], -1)]
    if odd := keys.shape[1] % 2:
        keys, values = (jnp.pad(x, ((0, 0), (0, odd), (0, 0), (0, 0))) for x in (keys, values))
        mask, *bias = (jnp.pad(x, ((0, 0), (0, 0), (0, 0), (0, odd))) for x in (mask, *bias))
    return _attention(scale, implementation)(mask, query, keys, values, *bias)


def _runs_kernel(device: Any) -> bool:
    capability = str(getattr(device, "compute_capability", ""))
    # AMD's compute capability is not a number.
    nvidia = device.platform == "gpu" and re.fullmatch(r"\d+\.\d+", capability)
    return bool(nvidia) and float(capability) >= MIN_CAPABILITY


def _deterministic() -> bool:
    """Whether XLA's flags ask for deterministic operations on a GPU; the last flag counts."""
    flags = re.findall(r"--xla_gpu_deterministic_ops(\S*)", os.environ.get("XLA_FLAGS", ""))
    return bool(flags) and flags[-1].lower() in ("", "=true", "=1")


def _keys_and_values(sources: Sequence[Source]) -> list[Array]:
    return [x for source in sources for x in (source.keys, source.values)]


def _by_row(sources: Sequence[Source], rows: int) -> list[tuple[Array, Array]]:
    return [(_repeated(source.keys, rows), _repeated(source.values, rows)) for source in sources]


def _repeated(x: Array, rows: int) -> Array:
    """[rows, ...]: each row of [b, ...] repeated for the rows / b rows that it serves."""
    return jnp.repeat(x, rows // len(x), axis=0)


def _by_query(visible: Array, rows: int, length: int) -> Array:
    """[B, T, S] of [b, T or 1, S]."""
    return jnp.broadcast_to(_repeated(visible, rows), (rows, length, visible.shape[-1]))


def _bias(source: Source, query: Array) -> Array:
    """A source's bias [B, H, T, S]; zeros if it has none."""
    rows, length, heads, _ = query.shape
    if source.bias is None:
        return jnp.zeros((rows, heads, length, source.keys.shape[1]), query.dtype)
    return _repeated(source.bias, rows).astype(query.dtype)


def _attention(scale: float, implementation: Literal["xla", "cudnn"]) -> Callable[..., Array]:
    """A function of (mask, query, keys, values) and possibly a bias, all with equal rows.

    Its backward pass computes the forward pass again, so only the arguments are stored.
    """

    def run(mask: Array, *floats: Array) -> Array:
        attend = partial(jax.nn.dot_product_attention, scale=scale, implementation=implementation)
        return attend(*floats, mask=mask)

    def back(gradient: Array, mask: Array, *floats: Array) -> tuple[Array, ...]:
        return jax.vjp(partial(run, mask), *floats)[1](gradient)

    @jax.custom_vjp
    def attention(mask: Array, *floats: Array) -> Array:
        return _all_rows(run)(mask, *floats)

    def forward(*args: Array) -> tuple[Array, tuple[Array, ...]]:
        return attention(*args), args

    def backward(args: tuple[Array, ...], gradient: Array) -> tuple[Any, ...]:
        return (None, *_all_rows(back)(gradient, *args))

    attention.defvjp(forward, backward)
    return attention


def _all_rows(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` of arrays [B, ...]; under `vmap` it is called once with the rows of all members.

    JAX's batching rules for cuDNN's calls refuse a mask that heads share (JAX pull request 34920).
    """
    mapped = jax.custom_batching.custom_vmap(function)

    @mapped.def_vmap
    def rule(size: int, batched: Sequence[bool], *args: Array) -> tuple[Any, Any]:
        spread = [
            x if is_batched else jnp.broadcast_to(x, (size, *x.shape))
            for x, is_batched in zip(args, batched, strict=True)
        ]
        output = _all_rows(function)(*(x.reshape(-1, *x.shape[2:]) for x in spread))
        by_member = jax.tree.map(lambda x: x.reshape(size, -1, *x.shape[1:]), output)
        return by_member, jax.tree.map(lambda _: True, output)

    return mapped
