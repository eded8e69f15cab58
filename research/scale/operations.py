"""Floating-point operations of a training step, for each token of a row."""

import re

from research.scale.setting import Setting
from research.sweeps.flops import step_flops


def operations(setting: Setting) -> dict[str, float]:
    """forward: reading alone. step: with the gradients. remat: with layers computed again.

    Products with kernels as `step_flops` counts them, the positions of a soft prompt, which all
    rows share, among them; and attention, whose forward pass takes four operations for each head's
    width, token and position that it sees, masked or not, and whose gradients twice as many.
    """
    per_row = setting.tokens + (_soft(setting) / setting.rows)
    trained = setting.parts[0]
    counted = (setting.leaves, trained, 1, per_row, setting.targets)
    read = step_flops(setting.leaves, (), *counted[2:])
    kernels = step_flops(*counted) if trained else read
    attention, back = _attention(setting), setting.layers_back()
    whole = setting.model.config.layers * attention
    again = _layers(setting, back) * per_row + back * attention
    step = kernels + whole + 2 * back * attention
    parts = {"forward": read + whole, "step": step, "remat": step + again}
    return {name: value / setting.tokens for name, value in parts.items()}


def _attention(setting: Setting) -> float:
    """Of one layer's forward pass, for a row."""
    config, soft = setting.model.config, _soft(setting)
    seen = setting.tokens * (setting.tokens + setting.prefixed) + soft * soft / setting.rows
    return 4.0 * config.heads * config.head_width * seen


def _layers(setting: Setting, back: int) -> float:
    """Of the kernels of the last `back` layers, for a token."""
    first = setting.model.config.layers - back
    found = (re.match(r"(?:lora:)?layers_(\d+)/", path) for path in setting.leaves)
    pairs = zip(found, setting.leaves.values(), strict=True)
    return sum(2.0 * x.size for at, x in pairs if at and int(at[1]) >= first and len(x.shape) == 2)


def _soft(setting: Setting) -> int:
    """Positions that pass through the layers once for all rows of a device."""
    soft = setting.method is not None and setting.method.name == "soft_prompt"
    return setting.prefixed if soft else 0
