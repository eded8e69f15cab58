"""Bytes that one device needs for a training step, by what they are for."""

import jax.numpy as jnp
import numpy as np

from research.studies.scale.configuration import StepConfiguration

HELD = ("frozen weights", "trained weights", "optimizer state", "batch")
ALWAYS = ("lowered copies", "gathered leaf", "working", "prefix")
START = (*ALWAYS, "activations", "logits", "first gradient")
END = (*ALWAYS, "gradients")


def step_memory(setting: StepConfiguration) -> dict[str, int]:
    """What is held between steps (`HELD`), and what a step makes meanwhile; see `peak`.

    Attention is not tiled, so its weights are among the activations. Of the layer that is at work
    `working` is in use besides. Leaves are gathered one at a time.
    """
    trained, frozen = setting.parts
    wide = jnp.dtype(setting.dtype).itemsize
    return {
        "frozen weights": setting.held(frozen),
        "trained weights": setting.held(setting.state.trained),
        "optimizer state": setting.held(setting.state.optimizer),
        "batch": 4 * setting.rows * (setting.tokens + setting.targets + 4),
        "gradients": setting.held(setting.state.trained),
        "lowered copies": setting.held(trained) if wide < 4 else 0,
        "gathered leaf": _largest(setting) if setting.fsdp > 1 else 0,
        "activations": kept_by_all(setting),
        "working": _working(setting),
        "logits": _logits(setting),
        "prefix": 2 * setting.model.config.layers * setting.prefixed * _keys(setting) * wide,
        "first gradient": 4 * _first_gradient(setting),
    }


def temporary(parts: dict[str, int]) -> int:
    """Bytes that a step makes: at the start of the backward pass, all that is kept and the first
    gradient; at its end, all gradients and the layer at work.
    """
    start, end = (sum(parts[name] for name in names) for names in (START, END))
    return max(start, end)


def peak_bytes_of(parts: dict[str, int]) -> int:
    """Bytes that a device needs at once."""
    return sum(parts[name] for name in HELD) + temporary(parts)


def kept_in_layer(setting: StepConfiguration, tokens: int, asking: int, seen: int) -> int:
    """Bytes kept of one layer for a row of `tokens`, `asking` of which ask what `seen` offer.

    In `dtype`: the inputs of both norms, query, keys and values, gate and up, and the input of
    every kernel beside which something trains. For each head and pair of positions: the weight in
    float32, and in `dtype` where that is another. What follows from these element by element is
    made again by the compiler where it is needed (as Korthikanti et al. 2022, arXiv 2205.05198,
    section 4.1, count, but with MLPs that are gated).
    """
    config, wide = setting.model.config, jnp.dtype(setting.dtype).itemsize
    queries = config.heads * config.head_width
    read, inner = _inputs(setting)
    offered = tokens * (config.width + 2 * _keys(setting) + read)
    asked = asking * (config.width + queries + 2 * config.hidden + inner)
    weights = asking * seen * config.heads * (4 + (wide if wide < 4 else 0))
    return wide * (offered + asked) + weights


def _inputs(setting: StepConfiguration) -> tuple[int, int]:
    """Numbers kept because a kernel, a factor or a scale beside them trains: for each token, and
    for each that asks.
    """
    config, trained = setting.model.config, setting.parts[0]
    if any(path.endswith("/kernel") and "layers_" in path for path in trained):
        return config.width, config.heads * config.head_width + config.width + config.hidden
    added = {path: leaf for path, leaf in trained.items() if ":layers_0/" in path}
    factors = [leaf for leaf in added.values() if leaf.ndim == 2]
    if factors:
        return config.width + sum(x.shape[1] for x in factors if x.shape[0] == config.width), 0
    scales = {path: leaf.size for path, leaf in added.items()}
    inner = sum(size for path, size in scales.items() if "/mlp/down/" in path)
    return sum(scales.values()) - inner, inner


def kept_by_all(setting: StepConfiguration) -> int:
    """Of all layers that gradients flow through, and of the final norm. In the last layer targets
    alone ask.
    """
    config, wide = setting.model.config, jnp.dtype(setting.dtype).itemsize
    back, tokens, soft = setting.layers_back(), setting.tokens, setting.soft
    if not back:
        return 0
    last = setting.rows * setting.targets * wide * config.width
    if setting.remat:
        return last + back * config.width * wide * (setting.rows * tokens + soft)
    seen = tokens + setting.prefixed
    full = setting.rows * kept_in_layer(setting, tokens, tokens, seen)
    full += kept_in_layer(setting, soft, soft, soft)
    top = setting.rows * kept_in_layer(setting, tokens, setting.targets, seen)
    top += kept_in_layer(setting, soft, 0, soft)
    return last + (back - 1) * full + top


def _working(setting: StepConfiguration) -> int:
    """Of the layer that is at work: all that it keeps, where it was not kept, and the gradients of
    its scores and of its MLP; without gradients, its scores and MLP alone.
    """
    config, wide = setting.model.config, jnp.dtype(setting.dtype).itemsize
    tokens, seen = setting.tokens, setting.tokens + setting.prefixed
    passing = tokens * (8 * seen * config.heads + 3 * wide * config.hidden)
    again = kept_in_layer(setting, tokens, tokens, seen) if setting.remat else 0
    return setting.rows * (passing + (again if setting.layers_back() else 0))


def _logits(setting: StepConfiguration) -> int:
    """In float32, and their gradient."""
    twice = 2 if setting.method is not None else 1
    return 4 * twice * setting.rows * setting.targets * setting.model.config.vocab_size


def _keys(setting: StepConfiguration) -> int:
    return setting.model.config.kv_heads * setting.model.config.head_width


def _first_gradient(setting: StepConfiguration) -> int:
    """Numbers of the head's, which comes before all others."""
    return setting.held({k: v for k, v in setting.state.trained.items() if k == "head/kernel"}) // 4


def _largest(setting: StepConfiguration) -> int:
    wide = jnp.dtype(setting.dtype).itemsize
    return wide * max(int(np.prod(leaf.shape)) for leaf in setting.leaves.values())
