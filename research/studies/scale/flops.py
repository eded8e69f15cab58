"""Floating-point operations of a training step per token of a row."""

import re
from collections.abc import Collection

import jax
import jax.numpy as jnp

from research.methods.method import Leaves
from research.runs.costs.flops import step_flops
from research.studies.scale.configuration import StepConfiguration


def flops_per_token(setting: StepConfiguration) -> dict[str, float]:
    """FLOPs per token: `forward` pass, `step` with gradients, and `remat` with recomputed layers.

    They count products with kernels, as `step_flops` does, including those of soft prompts, which
    all rows share, and attention: four operations per head width, query token and key position,
    masked or not, in the forward pass, and twice as many for its gradients. In the last layer only
    targets are queries.
    """
    trained, back = setting.parts[0], setting.layers_back()
    read = _kernels(setting, setting.leaves, ())
    kernels = _kernels(setting, setting.leaves, trained) if trained else read
    step = kernels + _attention(setting, setting.model.config.layers)
    step += 2 * _attention(setting, back)
    again = _again(setting, back)
    forward = read + _attention(setting, setting.model.config.layers)
    parts = {"forward": forward, "step": step, "remat": step + again}
    return {name: value / setting.tokens for name, value in parts.items()}


def _kernels(setting: StepConfiguration, leaves: Leaves, trained: Collection[str]) -> float:
    """FLOPs of products with kernels, for a row and its share of a soft prompt."""
    per_row = setting.tokens + setting.soft / setting.rows
    return step_flops(leaves, trained, 1, per_row, setting.targets, last_tokens=setting.targets)


def _attention(setting: StepConfiguration, layers: int) -> float:
    """FLOPs of attention in the forward pass of the last `layers`, for a row."""
    config, seen = setting.model.config, setting.tokens + setting.prefixed
    within = setting.soft * setting.soft / setting.rows
    asking = max(layers - 1, 0) * (setting.tokens * seen + within)
    asking += setting.targets * seen if layers else 0
    return 4.0 * config.heads * config.head_width * asking


def _again(setting: StepConfiguration, back: int) -> float:
    """FLOPs of the forward pass of the last `back` layers, for a row."""
    below = setting.model.config.layers - back
    leaves = {
        path: leaf
        for path, leaf in setting.leaves.items()
        if (layer := re.match(r"(?:lora:)?layers_(\d+)/", path)) and int(layer[1]) >= below
    }
    # An empty head, or `step_flops` would take the embeddings for it.
    empty = {"head/kernel": jax.ShapeDtypeStruct((0, 0), jnp.float32)}
    return _kernels(setting, {**leaves, **empty}, ()) + _attention(setting, back)  # pyright: ignore
