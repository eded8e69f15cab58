"""Which layers of a decoder have a sliding window, and which have rotary positions."""

from collections.abc import Collection, Mapping
from typing import Any, Literal

from research.common.errors import InputError
from research.models.checkpoint.config_fields import check_field

KINDS = ("full_attention", "sliding_attention")  # of layers, without and with a window
# Which layers may have a window. Of `periodic`, the last of every so many has none by default.
Windows = Literal["none", "all", "any", "periodic"]
PERIOD, ROTATED = "sliding_window_pattern", "no_rope_layers"

Windowed = tuple[int, ...]  # indices of layers


def read_windows(
    windows: Windows, config: Mapping[str, Any], layers: int, architecture: str
) -> tuple[int | None, Windowed]:
    """(window, layers with a window) in a config.json completed by the model type's defaults."""
    window = config.get("sliding_window")
    if windows == "any":
        used = config.get("use_sliding_window", False)
        check_field("use_sliding_window", used, bool)
        window = window if used else None
        windowed = _upper_layers(config, window, layers)
    elif windows == "periodic":
        windowed = _periodic_layers(config, layers)
        if windowed and window is None:
            raise InputError("sliding_window", None, "layers with sliding_attention need it")
    else:
        windowed = tuple(range(layers)) if window is not None else ()
        kinds = config.get("layer_types")  # which the class does not read
        if kinds is not None and kinds != [KINDS[bool(windowed)]] * layers:
            allowed = f"{layers} times {KINDS[bool(windowed)]} is what {architecture} has"
            raise InputError("layer_types", kinds, allowed)
    return (window if windowed else None), windowed


def window_fields(
    windows: Windows, window: int | None, windowed: Windowed, layers: int, context: int
) -> dict[str, Any]:
    """The fields of a config.json for this window."""
    if windows == "none":
        return {}
    if windows == "all":
        return {"sliding_window": window}
    kinds = {"layer_types": [KINDS[layer in windowed] for layer in range(layers)]}
    if windows == "periodic":  # the class needs a window even if no layer has it
        return {"sliding_window": context if window is None else window, **kinds}
    return {"use_sliding_window": window is not None, "sliding_window": window, **kinds}


def check_windows(
    windows: Windows, window: int | None, windowed: Windowed, layers: int, architecture: str
) -> None:
    """Raises InputError unless layers of a model type can have this window."""
    all_layers = tuple(range(layers))
    if window is not None:
        check_field("sliding_window", window, int)
    if (window is None) != (windowed == ()):
        allowed = "a window needs layers that have it, and such layers need a window"
        raise InputError("windowed", windowed, allowed)
    _check_order("windowed", windowed, layers)
    choices = {"none": [()], "all": [(), all_layers]}.get(windows)
    if choices is not None and windowed not in choices:
        allowed = f"{architecture} cannot have a window in these layers"
        raise InputError("windowed", windowed, allowed)


def read_unrotated(config: Mapping[str, Any], layers: int) -> tuple[int, ...]:
    """The layers without rotary positions, whose entry of `no_rope_layers` is 0; without the list,
    the last of every `no_rope_layer_interval`.
    """
    rotated, interval = config.get(ROTATED), config["no_rope_layer_interval"]
    if rotated is None:
        check_field("no_rope_layer_interval", interval, int)
        return tuple(layer for layer in range(layers) if (layer + 1) % interval == 0)
    if not isinstance(rotated, list) or len(rotated) != layers or _others(rotated, (0, 1)):
        raise InputError(ROTATED, rotated, f"a list of {layers} times 0 or 1 is expected")
    return tuple(layer for layer, has_rotary in enumerate(rotated) if not has_rotary)


def check_unrotated(unrotated: tuple[int, ...], layers: int, allowed: bool) -> None:
    """Raises InputError unless layers of a model type can be without rotary positions."""
    _check_order("unrotated", unrotated, layers)
    if unrotated and not allowed:
        raise InputError("unrotated", unrotated, "all layers of this model_type have positions")


def _upper_layers(config: Mapping[str, Any], window: Any, layers: int) -> Windowed:
    """Layers with a window by `layer_types`; without it, all from `max_window_layers` on."""
    kinds, first = config.get("layer_types"), config["max_window_layers"]
    if kinds is None:
        if isinstance(first, bool) or not isinstance(first, int) or first < 0:
            raise InputError("max_window_layers", first, "a whole number from 0 is expected")
        return tuple(range(first, layers)) if window is not None else ()
    windowed = _of_kinds(kinds, layers)
    if windowed and window is None:
        allowed = "sliding_attention needs use_sliding_window and sliding_window"
        raise InputError("layer_types", kinds, allowed)
    return windowed


def _periodic_layers(config: Mapping[str, Any], layers: int) -> Windowed:
    """Layers with a window by `layer_types`; without it, all but the last of every period."""
    kinds, period = config.get("layer_types"), config[PERIOD]
    if kinds is not None:
        return _of_kinds(kinds, layers)
    check_field(PERIOD, period, int)
    return tuple(layer for layer in range(layers) if (layer + 1) % period)


def _of_kinds(kinds: Any, layers: int) -> Windowed:
    if not isinstance(kinds, list) or len(kinds) != layers or _others(kinds, KINDS):
        allowed = f"a list of {layers} times {' or '.join(KINDS)} is expected"
        raise InputError("layer_types", kinds, allowed)
    return tuple(layer for layer, kind in enumerate(kinds) if kind == KINDS[True])


def _others(values: list[Any], allowed: Collection[Any]) -> bool:
    return any(value not in allowed for value in values)


def _check_order(name: str, chosen: tuple[int, ...], layers: int) -> None:
    if chosen != tuple(layer for layer in range(layers) if layer in chosen):
        raise InputError(name, chosen, "layers in rising order are expected")
