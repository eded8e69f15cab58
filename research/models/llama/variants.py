"""The model types of the Llama family: defaults and switches that a config.json omits."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from research.common.errors import InputError
from research.models.checkpoint.config_fields import check_field

KINDS = ("full_attention", "sliding_attention")  # of layers, without and with a window


class Variant(NamedTuple):
    """A model type of the family, with the settings of its class in transformers.

    Attributes:
        architecture: name of that class.
        windows: which layers may have a sliding window.
        defaults: defaults of config.json's fields that differ from `LlamaConfig`.
        fixed: fields that the class does not read, with the values that match its computation.
        switches: fields of `DecoderConfig` that the class fixes; others have Llama's values.
    """

    architecture: str
    windows: Literal["none", "all", "any"]
    defaults: Mapping[str, Any]
    fixed: Mapping[str, tuple[Any, ...]]
    switches: Mapping[str, Any] = MappingProxyType({})

    def windows_of(
        self, config: Mapping[str, Any], layers: int
    ) -> tuple[int | None, tuple[int, ...]]:
        """(window, layers with a window) in a config.json completed by `defaults`."""
        window = config.get("sliding_window")
        if self.windows == "any":
            used = config.get("use_sliding_window", False)
            check_field("use_sliding_window", used, bool)
            window = window if used else None
            windowed = _sliding_layers(config, window, layers)
        else:
            windowed = tuple(range(layers)) if window is not None else ()
            kinds = config.get("layer_types")  # which the class does not read
            if kinds is not None and kinds != [KINDS[bool(windowed)]] * layers:
                allowed = f"{layers} times {KINDS[bool(windowed)]} is what {self.architecture} has"
                raise InputError("layer_types", kinds, allowed)
        return (window if windowed else None), windowed

    def windows_to_hf(
        self, window: int | None, windowed: tuple[int, ...], layers: int
    ) -> dict[str, Any]:
        """The fields of a config.json for this window."""
        if self.windows == "none":
            return {}
        if self.windows == "all":
            return {"sliding_window": window}
        kinds = [KINDS[layer in windowed] for layer in range(layers)]
        used = window is not None
        return {"use_sliding_window": used, "sliding_window": window, "layer_types": kinds}

    def check_windows(self, window: int | None, windowed: tuple[int, ...], layers: int) -> None:
        """Raises InputError unless layers of this model type can have this window."""
        all_layers = tuple(range(layers))
        if window is not None:
            check_field("sliding_window", window, int)
        if (window is None) != (windowed == ()):
            allowed = "a window needs layers that have it, and such layers need a window"
            raise InputError("windowed", windowed, allowed)
        if windowed != tuple(layer for layer in all_layers if layer in windowed):
            raise InputError("windowed", windowed, "layers in rising order are expected")
        choices = {"none": [()], "all": [(), all_layers]}.get(self.windows)
        if choices is not None and windowed not in choices:
            allowed = f"{self.architecture} cannot have a window in these layers"
            raise InputError("windowed", windowed, allowed)


def _sliding_layers(config: Mapping[str, Any], window: Any, layers: int) -> tuple[int, ...]:
    """Layers with a window by `layer_types`; without it, all from `max_window_layers` on."""
    kinds, first = config.get("layer_types"), config["max_window_layers"]
    if kinds is None:
        if isinstance(first, bool) or not isinstance(first, int) or first < 0:
            raise InputError("max_window_layers", first, "a whole number from 0 is expected")
        return tuple(range(first, layers)) if window is not None else ()
    if not isinstance(kinds, list) or len(kinds) != layers or any(k not in KINDS for k in kinds):
        allowed = f"a list of {layers} times {' or '.join(KINDS)} is expected"
        raise InputError("layer_types", kinds, allowed)
    windowed = tuple(layer for layer, kind in enumerate(kinds) if kind == KINDS[True])
    if windowed and window is None:
        allowed = "sliding_attention needs use_sliding_window and sliding_window"
        raise InputError("layer_types", kinds, allowed)
    return windowed


NO_BIAS = {"attention_bias": (False, None), "mlp_bias": (False, None)}
NO_WINDOW = {"sliding_window": (None,), "use_sliding_window": (False, None)}
QWEN = {"num_key_value_heads": 32, "sliding_window": 4096, "max_window_layers": 28}
VARIANTS = {
    "llama": Variant("LlamaForCausalLM", "none", {}, NO_WINDOW),
    "mistral": Variant(
        "MistralForCausalLM",
        "all",
        {"num_key_value_heads": 8, "sliding_window": 4096},
        NO_BIAS,
    ),
    "qwen2": Variant(
        "Qwen2ForCausalLM",
        "any",
        {**QWEN, "attention_bias": True},
        {**NO_BIAS, "attention_bias": (True,)},
        {"out_bias": False},
    ),
    "qwen3": Variant(
        "Qwen3ForCausalLM",
        "any",
        {**QWEN, "head_dim": 128},
        {"mlp_bias": (False, None)},
        {"head_norm": True},
    ),
}
