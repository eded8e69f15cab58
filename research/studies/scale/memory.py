"""Memory of a training step on one device, by purpose."""

import jax.numpy as jnp
import numpy as np

from research.studies.scale.configuration import StepConfiguration

HELD = ("frozen weights", "trained weights", "optimizer state", "batch")
ALWAYS = ("lowered copies", "gathered leaf", "working", "prefix")
START = (*ALWAYS, "activations", "logits", "first gradient")
END = (*ALWAYS, "gradients")


def step_memory(setting: StepConfiguration) -> dict[str, int]:
    """Bytes that are held between steps (`HELD`), and bytes that a step allocates, by purpose.

    Attention is not tiled, so its weights are part of the activations. `working` are the bytes that
    the layer being computed needs in addition. Leaves are gathered one at a time. See
    `peak_bytes_of` for the bytes that are needed at once.
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
    """Peak bytes that a step allocates.

    It is reached at the start of the backward pass, with all activations and the first gradient, or
    at its end, with all gradients.
    """
    start, end = (sum(parts[name] for name in names) for names in (START, END))
    return max(start, end)


def peak_bytes_of(parts: dict[str, int]) -> int:
    """Peak bytes of a device."""
    return sum(parts[name] for name in HELD) + temporary(parts)


def kept_in_layer(setting: StepConfiguration, tokens: int, asking: int, seen: int) -> int:
    """Bytes of a layer's activations for a row.

    In `dtype`: the inputs of both norms, queries, keys and values, gate and up, and the input of
    every kernel with a trained leaf beside it. For each head and pair of positions: the attention
    weight in float32, and in `dtype` if that is another. The compiler recomputes values that follow
    from these element by element (as counted by Korthikanti et al. 2022, arXiv 2205.05198, section
    4.1, but here with gated MLPs).

    Args:
        setting: The step.
        tokens: Number of tokens with keys and values.
        asking: Number of tokens with queries.
        seen: Number of positions that a query attends to.
    """
    config, wide = setting.model.config, jnp.dtype(setting.dtype).itemsize
    queries = config.heads * config.head_width
    read, inner = _inputs(setting)
    by_key = tokens * (config.width + 2 * _keys(setting) + read)
    by_query = asking * (config.width + queries + 2 * config.hidden + inner)
    weights = asking * seen * config.heads * (4 + (wide if wide < 4 else 0))
    return wide * (by_key + by_query) + weights


def _inputs(setting: StepConfiguration) -> tuple[int, int]:
    """(per token, per query) numbers that gradients of trained leaves in a layer need."""
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
    """Bytes of activations of the final norm and of all layers through which gradients flow.

    In the last layer only targets are queries.
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
    """Bytes of the layer being computed: its scores and MLP with their gradients.

    With remat, its recomputed activations too.
    """
    config, wide = setting.model.config, jnp.dtype(setting.dtype).itemsize
    tokens, seen = setting.tokens, setting.tokens + setting.prefixed
    passing = tokens * (8 * seen * config.heads + 3 * wide * config.hidden)
    again = kept_in_layer(setting, tokens, tokens, seen) if setting.remat else 0
    return setting.rows * (passing + (again if setting.layers_back() else 0))


def _logits(setting: StepConfiguration) -> int:
    """Bytes of the logits in float32, and of their gradient."""
    twice = 2 if setting.method is not None else 1
    return 4 * twice * setting.rows * setting.targets * setting.model.config.vocab_size


def _keys(setting: StepConfiguration) -> int:
    return setting.model.config.kv_heads * setting.model.config.head_width


def _first_gradient(setting: StepConfiguration) -> int:
    """Numbers in the gradient of the head, which is computed first."""
    return setting.held({k: v for k, v in setting.state.trained.items() if k == "head/kernel"}) // 4


def _largest(setting: StepConfiguration) -> int:
    wide = jnp.dtype(setting.dtype).itemsize
    return wide * max(int(np.prod(leaf.shape)) for leaf in setting.leaves.values())
