"""Which modules of a model the patterns of a PEFT adapter pick."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

from research.common.errors import InputError
from research.common.user_regex import regex_matches
from research.interop.options import Config, numeric_option
from research.models.backbone import shapes as shapes_of
from research.models.checkpoint.config_fields import check_field
from research.models.checkpoint.weights import Shapes
from research.models.model import Model

PREFIX = "base_model.model."  # of the names of all tensors


def beside(
    config: Config,
    stored: Collection[str],
    model: Model,
    shapes: Shapes,
    names: Callable[[str], list[str]],
) -> list[tuple[str, str]]:
    """(their module, our path) of the kernels that the options pick.

    Layers outside the stacks depend on the head of the adapter's model, so they count only if
    their tensors are stored. Raises InputError for invalid options, and for options that pick no
    layer.

    Args:
        names: tensor names of a module.
    """
    picked = [
        (module, path)
        for module, path in modules(model, shapes, stored)
        if targets_module(config, module)
        and ("layers_" in path or not set(stored).isdisjoint(names(module)))
    ]
    if not picked:
        raise InputError("target_modules", config.get("target_modules"), "no layer is so called")
    return picked


def modules(
    model: Model, paths: Iterable[str], stored: Collection[str] = ()
) -> Iterator[tuple[str, str]]:
    """(their module, our path) of every kernel; without the base of the names where tensors have
    none, since the adapter's model was the bare one.
    """
    base = model.KEY_MAP.base
    bare = base and stored and not any(name.startswith(PREFIX + base) for name in stored)
    for path in paths:
        if path.endswith("/kernel"):
            module = model.KEY_MAP.key(path).module
            yield module.removeprefix(base if bare else ""), path.removesuffix("/kernel")


def targets_module(config: Config, module: str) -> bool:
    """Whether the options pick a module. PEFT adapts none inside a module of `modules_to_save`."""
    saved = config.get("modules_to_save") or []
    inside = any(f".{name}." in f".{module}." for name in saved)
    excluded = inside or matches(config, "exclude_modules", module)
    if excluded or not matches(config, "target_modules", module):
        return False
    layers, layer = config.get("layers_to_transform"), _layer(config, module)
    if layers is None or layers == [] or isinstance(config["target_modules"], str):
        return True
    allowed = layers if isinstance(layers, list) else [layers]
    return layer is not None and layer in allowed


def _layer(config: Config, module: str) -> int | None:
    """The number of a module's layer, behind one of the names in `layers_pattern` if it has any."""
    names = config.get("layers_pattern") or []
    names = [names] if isinstance(names, str) else names
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError("layers_pattern", names, "a name or a list of names is expected")
    before = rf"(?:^|\.)(?:{'|'.join(map(re.escape, names))})" if names else ""
    number = re.search(rf"{before}\.(\d+)\.", module)
    return number and int(number[1])


def matches(config: Config, name: str, module: str) -> bool:
    """Whether a module is among those of a regular expression, or of a list of name endings."""
    picked = config.get(name) or []
    if isinstance(picked, str):
        return regex_matches(picked, module, name)
    if not isinstance(picked, list) or not all(isinstance(ending, str) for ending in picked):
        raise InputError(name, picked, "a regular expression or a list of names is expected")
    return any(ends_with(module, ending) for ending in picked)


def ends_with(module: str, ending: str) -> bool:
    """Whether these are the last parts of a module's name."""
    return f".{module}".endswith(f".{ending}")


def of_pattern(config: Config, name: str, otherwise: str, module: str) -> Any:
    """The value of the first pattern that fits the end of a module's name, or the general one."""
    patterns = config.get(name) or {}
    if not isinstance(patterns, dict):
        raise InputError(name, patterns, "an object of patterns and numbers is expected")
    for pattern in patterns:
        if regex_matches(rf"(.*\.)?({pattern})", module, name):
            check_field(f"{name}.{pattern}", patterns[pattern], float)
            return patterns[pattern]
    return numeric_option(config, otherwise, float)


def endings(adapted: set[str], model: Model) -> list[str]:
    """Endings that pick exactly these modules: the last parts, or all of the names."""
    lasts = {name.rpartition(".")[2] for name in adapted}
    names = (name for name, _ in modules(model, shapes_of(model)))
    picked = {name for name in names if name.rpartition(".")[2] in lasts}
    return sorted(lasts if picked == adapted else adapted)
