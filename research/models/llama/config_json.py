"""A decoder's config.json: which field of `DecoderConfig` each of its fields is."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from research.common.errors import InputError, check_choice
from research.models.checkpoint.config_fields import check_field, check_fixed, config_values
from research.models.layers.rope_fields import ORIGINAL, read_ropes, rope_fields, with_outer_rotary
from research.models.llama.layer_kinds import (
    ROTATED,
    read_unrotated,
    read_windows,
    window_fields,
)
from research.models.llama.variants import VARIANTS, Variant

# Our name of a field and its name in a Hugging Face config.json, the same for all model types.
NAMES = {
    "vocab_size": "vocab_size",
    "width": "hidden_size",
    "layers": "num_hidden_layers",
    "heads": "num_attention_heads",
    "kv_heads": "num_key_value_heads",
    "head_width": "head_dim",
    "hidden": "intermediate_size",
    "context": "max_position_embeddings",
    "norm_eps": "rms_norm_eps",
    "tied": "tie_word_embeddings",
    "attention_bias": "attention_bias",
    "mlp_bias": "mlp_bias",
}
REQUIRED = ("vocab_size", "width", "layers", "heads", "hidden", "context")

# Fields of `DecoderConfig` that a model type fixes, or that not every config.json names.
SWITCHES = (
    "activation",
    "out_bias",
    "head_norm",
    "whole_norm",
    "norm_offset",
    "pre_norms",
    "post_norms",
    "score_cap",
    "query_scale",
    "partial_rotary",
    "root_scale",
    "embed_scale",
    "residual_scale",
    "logit_divisor",
    "logit_cap",
    "fused",
)

# Those of them that are numbers above 0, or None.
FACTORS = (
    "score_cap",
    "query_scale",
    "partial_rotary",
    "embed_scale",
    "residual_scale",
    "logit_divisor",
    "logit_cap",
)

# Those that null in a config.json sets to None.
NULLABLE = ("score_cap", "logit_cap")

# Fields that would change the computation, and the supported values.
FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu", "swish"),
    "partial_rotary_factor": (1.0, None),
    "rope_interleaved": (False, None),
    "use_mrope": (False, None),
    "quantization_config": (None,),
    "is_encoder_decoder": (False, None),
    "add_cross_attention": (False, None),
}

# Fields of a config.json with another value than ours: its type there, and functions of its value
# that give ours, and of ours that give its value.
CONVERTED: dict[str, tuple[Any, Callable[[Any], Any], Callable[[Any], Any]]] = {
    "query_pre_attn_scalar": (int, lambda width: width**-0.5, lambda scale: round(scale**-2)),
}


def read_values(config: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `DecoderConfig` in a config.json, see `DecoderConfig.from_hf`."""
    kind = config.get("model_type", "llama")
    check_choice("model_type", kind, VARIANTS)
    variant = VARIANTS[kind]
    config = {**variant.defaults, **config}
    if "partial_rotary" in variant.names:
        config = with_outer_rotary(config)
    check_fixed(config, variant.fixed_fields(FIXED))
    values = config_values(config, {**NAMES, **variant.names}, REQUIRED)
    values |= _converted(config, values, variant)
    values.setdefault("kv_heads", values["heads"])
    values.setdefault("head_width", values["width"] // values["heads"])
    layers = values["layers"]
    window, windowed = read_windows(variant.windows, config, layers, variant.architecture)
    rope, local_rope = read_ropes(config, variant.theta, variant.local_theta)
    if rope.kind == "longrope":  # further positions have other frequencies
        values["context"] = min(values["context"], rope.original)
    return {
        **values,
        **variant.switches,
        "rope": rope,
        "local_rope": local_rope,
        "model_type": kind,
        "window": window,
        "windowed": windowed,
        "unrotated": read_unrotated(config, layers) if variant.unrotated else (),
    }


def config_json(config: Any) -> dict[str, Any]:
    """The config.json of a `DecoderConfig`, see `DecoderConfig.to_hf`."""
    variant = VARIANTS[config.model_type]
    defaults = {f.name: f.default for f in fields(config) if f.name in SWITCHES}
    for name, value in {**defaults, **variant.switches}.items():
        if name not in variant.names and getattr(config, name) != value:
            allowed = f"a config.json of {config.model_type} means {value!r}"
            raise InputError(name, getattr(config, name), allowed)
    layers = config.layers
    rotated = [int(layer not in config.unrotated) for layer in range(layers)]
    return {
        "architectures": [variant.architecture],
        "model_type": config.model_type,
        **({} if "activation" in variant.names else {"hidden_act": "silu"}),
        **rope_fields(config.rope, config.local_rope, ORIGINAL in variant.defaults),
        **{name: x for name, x in named(config).items() if name not in variant.fixed},
        **window_fields(variant.windows, config.window, config.windowed, layers, config.context),
        **({ROTATED: rotated} if variant.unrotated else {}),
    }


def named(config: Any) -> dict[str, Any]:
    """The values of a `DecoderConfig` by their names in its config.json."""
    names = {**NAMES, **VARIANTS[config.model_type].names}
    values = {name: getattr(config, field) for field, name in names.items()}
    if "query_scale" in names and config.query_scale is None:
        values[names["query_scale"]] = config.head_width**-0.5
    for name in CONVERTED.keys() & values.keys():
        values[name] = CONVERTED[name][2](values[name])
    return values


def _converted(
    config: Mapping[str, Any], values: Mapping[str, Any], variant: Variant
) -> dict[str, Any]:
    """Our values of the fields in `CONVERTED`. Raises InputError for null where none is allowed."""
    converted = {}
    for field, name in variant.names.items():
        if field not in NULLABLE and name in config and config[name] is None:
            raise InputError(name, None, f"{variant.architecture} needs a value")
        if field in values and name in CONVERTED:
            kind, ours, _ = CONVERTED[name]
            check_field(name, values[field], kind)
            converted[field] = ours(values[field])
    return converted
