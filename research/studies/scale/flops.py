"""Floating-point operations of a training step, for each token of a row."""

import re
from collections.abc import Collection

import jax
import jax.numpy as jnp

from research.methods.method import Leaves
from research.runs.costs.flops import step_flops
from research.studies.scale.configuration import StepConfiguration


def flops_per_token(setting: StepConfiguration) -> dict[str, float]:
    """forward: reading alone. step: with the gradients. remat: with layers computed again.

    Products with kernels as `step_flops` counts them, the positions of a soft prompt, which all
    rows share, among them; and attention, whose forward pass takes four operations for each head's
    width, token and position that it sees, masked or not, and whose gradients twice as many. In the
    last layer only targets ask.
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
    """Products with kernels, for a row and its share of a soft prompt."""
    per_row = setting.tokens + setting.soft / setting.rows
    return step_flops(leaves, trained, 1, per_row, setting.targets, last_tokens=setting.targets)


def _attention(setting: StepConfiguration, layers: int) -> float:
    """Of the forward pass of the last `layers`, for a row."""
    config, seen = setting.model.config, setting.tokens + setting.prefixed
    within = setting.soft * setting.soft / setting.rows
    asking = max(layers - 1, 0) * (setting.tokens * seen + within)
    asking += setting.targets * seen if layers else 0
    return 4.0 * config.heads * config.head_width * asking


def _again(setting: StepConfiguration, back: int) -> float:
    """Of the last `back` layers' forward pass."""
    below = setting.model.config.layers - back
    kept = {
        path: leaf
        for path, leaf in setting.leaves.items()
        if (at := re.match(r"(?:lora:)?layers_(\d+)/", path)) and int(at[1]) >= below
    }
    # The head, which `step_flops` would otherwise look for in the table, has no size here.
    nothing = {"head/kernel": jax.ShapeDtypeStruct((0, 0), jnp.float32)}
    return _kernels(setting, {**kept, **nothing}, ()) + _attention(setting, back)  # pyright: ignore
