"""LoRA as PEFT keeps it: factors by the modules they stand beside, and patterns that pick these."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from research.errors import InputError
from research.interop.options import Config, number
from research.methods.lora import LoRA
from research.methods.method import Leaves, added_to
from research.models.backbone import shapes as shapes_of
from research.models.model import Model
from research.models.weights import Shapes

PREFIX = "base_model.model."  # of the names of all tensors

Arrays = Mapping[str, np.ndarray]


def wanted(
    config: Config, stored: Collection[str], model: Model, shapes: Shapes
) -> dict[str, tuple[int, ...]]:
    """The names and shapes that the tensors must have, of which there are those of `stored`.

    Raises InputError where options are wrong, or pick no layer.
    """
    found: dict[str, tuple[int, ...]] = {}
    for theirs, path in _modules(model, shapes, stored):
        names = _names(theirs)
        # Which layers stand outside the stacks depends on the head that the adapter's model had.
        if _picks(config, theirs) and ("layers_" in path or not set(stored).isdisjoint(names)):
            rank = number({"rank": _of_pattern(config, "rank_pattern", "r", theirs)}, "rank")
            width_in, width_out = shapes[f"{path}/kernel"]
            found |= zip(names, ((rank, width_in), (width_out, rank)), strict=True)
    if not found:
        raise InputError("target_modules", config.get("target_modules"), "no layer is so called")
    return found


def read(config: Config, arrays: Arrays, model: Model, shapes: Shapes) -> tuple[LoRA, Leaves]:
    """The method and its leaves, of tensors as `wanted` has them.

    A scale of their own that layers have, by `alpha_pattern` or rank-stabilised (Kalajdzievski
    2023, arXiv 2312.03732), is multiplied into B.
    """
    leaves: Leaves = {}
    targets = set()
    alpha = number(config, "lora_alpha", float)
    for theirs, path in _modules(model, shapes, arrays):
        first, second = _names(theirs)
        if first in arrays:
            a, b = arrays[first].T, arrays[second].T
            ratio = _of_pattern(config, "alpha_pattern", "lora_alpha", theirs) / alpha
            ratio *= math.sqrt(len(b)) if config.get("use_rslora") else 1.0
            leaves |= {f"lora:{path}/a": a, f"lora:{path}/b": b * np.float32(ratio)}
            targets.add(path.rpartition("/")[2])
    dropout = config.get("lora_dropout") or None
    return LoRA(number(config, "r"), float(alpha), dropout, tuple(sorted(targets))), leaves


def write(method: LoRA, leaves: Leaves, model: Model) -> tuple[dict[str, Any], Arrays]:
    """(fields of adapter_config.json, tensors)."""
    keys = {path: model.LAYOUT.key(f"{path}/kernel") for path in added_to(method, leaves)}
    arrays, ranks = {}, {}
    for path, key in keys.items():
        theirs = key.theirs.removesuffix(".weight")
        factors = added_to(method, leaves)[path]
        arrays |= zip(_names(theirs), (factors["a"].T, factors["b"].T), strict=True)
        ranks[theirs] = factors["a"].shape[1]
    fields = {
        "r": method.rank,
        "lora_alpha": float(method.alpha),
        "lora_dropout": float(method.dropout or 0.0),
        "target_modules": _targets(set(ranks), model),
        "rank_pattern": {name: rank for name, rank in ranks.items() if rank != method.rank},
        "fan_in_fan_out": not all(key.transposed for key in keys.values()),
        "bias": "none",
    }
    return fields, arrays


def _names(theirs: str) -> tuple[str, str]:
    """What the factors A [R, D_in] and B [D_out, R] beside a module are called."""
    return f"{PREFIX}{theirs}.lora_A.weight", f"{PREFIX}{theirs}.lora_B.weight"


def _modules(
    model: Model, paths: Iterable[str], stored: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """(their module, our path) of every kernel; without the base of the names where tensors have
    none, since the adapter's model was the bare one.
    """
    base = model.LAYOUT.base
    bare = base and stored and not any(name.startswith(PREFIX + base) for name in stored)
    for path in paths:
        if path.endswith("/kernel"):
            theirs = model.LAYOUT.key(path).theirs.removesuffix(".weight")
            yield theirs.removeprefix(base if bare else ""), path.removesuffix("/kernel")


def _picks(config: Config, theirs: str) -> bool:
    """Whether the options pick a module."""
    excluded = _matches(config, "exclude_modules", theirs)
    if excluded or not _matches(config, "target_modules", theirs):
        return False
    layers, layer = config.get("layers_to_transform"), re.search(r"\.(\d+)\.", theirs)
    if layers is None or layers == [] or isinstance(config["target_modules"], str):
        return True
    allowed = layers if isinstance(layers, list) else [layers]
    return layer is not None and int(layer[1]) in allowed


def _matches(config: Config, name: str, theirs: str) -> bool:
    """Whether a module is among those of a regular expression, or of a list of name endings."""
    picked = config.get(name) or []
    if isinstance(picked, str):
        return _fullmatch(name, picked, theirs)
    if not isinstance(picked, list) or not all(isinstance(ending, str) for ending in picked):
        raise InputError(name, picked, "a regular expression or a list of names is expected")
    return any(f".{theirs}".endswith(f".{ending}") for ending in picked)


def _of_pattern(config: Config, name: str, otherwise: str, theirs: str) -> Any:
    """The value of the first pattern that fits the end of a module's name, or the general one."""
    patterns = config.get(name) or {}
    if not isinstance(patterns, dict):
        raise InputError(name, patterns, "an object of patterns and numbers is expected")
    for pattern in patterns:
        if _fullmatch(name, rf"(.*\.)?({pattern})", theirs):
            return number({f"{name}.{pattern}": patterns[pattern]}, f"{name}.{pattern}", float)
    return number(config, otherwise, float)


def _fullmatch(name: str, pattern: str, theirs: str) -> bool:
    try:
        return re.fullmatch(pattern, theirs) is not None
    except re.error as error:
        raise InputError(name, pattern, f"it is no regular expression ({error})") from error


def _targets(adapted: set[str], model: Model) -> list[str]:
    """Endings that pick exactly these modules: the last parts, or all of the names."""
    lasts = {name.rpartition(".")[2] for name in adapted}
    modules = (name for name, _ in _modules(model, shapes_of(model)))
    picked = {name for name in modules if name.rpartition(".")[2] in lasts}
    return sorted(lasts if picked == adapted else adapted)
