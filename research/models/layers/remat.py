"""Gradient checkpointing: a layer's inner activations are recomputed for its gradients."""

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import flax.linen as nn

LAYER = re.compile(r"(encoder/|decoder/)?layers_\d+")


@contextlib.contextmanager
def layers_again(wanted: bool = True) -> Iterator[None]:
    """Within this context, if `wanted`, a layer stores only its inputs and outputs.

    Chen et al. 2016 (arXiv 1604.06174), section 4.1. The numbers stay the same.
    """
    inside = False

    def layer(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
        nonlocal inside
        inside = True
        try:
            return module(*args, **kwargs)
        finally:
            inside = False

    def intercept(call, args, kwargs, context):
        path = "/".join(context.module.path)
        if inside or context.method_name != "__call__" or not LAYER.fullmatch(path):
            return call(*args, **kwargs)
        return nn.remat(layer)(context.module, *args, **kwargs)

    with nn.intercept_methods(intercept) if wanted else contextlib.nullcontext():
        yield
