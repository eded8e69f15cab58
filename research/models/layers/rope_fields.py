"""The rotary positions of a config.json."""

from collections.abc import Mapping
from math import log, sqrt
from typing import Any

from research.common.errors import InputError, check_choice
from research.models.checkpoint.config_fields import check_field
from research.models.layers.rope import KINDS, LISTS, NAMES, Rope

OBJECTS = ("rope_parameters", "rope_scaling")
# Fields of these objects that are no fields of `Rope`.
OTHERS = ("rope_type", "type", "partial_rotary_factor", "mscale", "mscale_all_dim")
OUTSIDE = ("theta", "original")  # may stand beside the object
POSITIONS = "max_position_embeddings"
ORIGINAL, PARTIAL = "original_max_position_embeddings", "partial_rotary_factor"
LOCAL_THETA = "rope_local_base_freq"
LAYER_KINDS = ("full_attention", "sliding_attention")  # without and with a window


def read_ropes(
    config: Mapping[str, Any], theta: float = Rope.theta, local_theta: float | None = None
) -> tuple[Rope, Rope | None]:
    """(Rope of a config.json, Rope of the layers with a window or None if it is the same).

    Of a model type whose layers with a window have their own, `rope_parameters` has an object for
    each kind of layers; before transformers 5 `rope_scaling` and `rope_theta` were for the others.

    Args:
        config: the fields of a config.json.
        theta: the base if the config.json names none.
        local_theta: the same for layers with a window; None if their Rope is the same.

    Raises InputError as `read_rope` does, and for scaled positions in layers with a window.
    """
    if local_theta is None:
        return read_rope(config, theta), None
    parts = config.get("rope_parameters") or {}
    if not isinstance(parts, Mapping) or not parts.keys() <= set(LAYER_KINDS):
        allowed = f"an object with {' and '.join(LAYER_KINDS)} is expected"
        raise InputError("rope_parameters", parts, allowed)
    rest = {name: x for name, x in config.items() if name not in ("rope_parameters", LOCAL_THETA)}
    of_all, of_windows = ({"rope_parameters": parts.get(kind)} for kind in LAYER_KINDS)
    rope = read_rope({**rest, **of_all}, theta)
    of_windows["rope_theta"] = config.get(LOCAL_THETA)
    local = read_rope({"max_position_embeddings": config.get(POSITIONS), **of_windows}, local_theta)
    if local.kind != "default":
        raise InputError(
            f"rope_parameters.{LAYER_KINDS[1]}", local.kind, "only default is supported"
        )
    return rope, local


def read_rope(config: Mapping[str, Any], theta: float = Rope.theta) -> Rope:
    """The Rope of a config.json: `rope_parameters`, or `rope_scaling` and `rope_theta` before
    transformers 5; `theta` is the base if it names none.

    Raises InputError for a kind or field that is not supported, and if both are there and differ.
    """
    ropes = [
        _read(name, config[name], config, theta)
        for name in OBJECTS
        if config.get(name) not in (None, {})
    ]
    if len(set(ropes)) > 1:
        allowed = "it is expected to say the same as rope_parameters"
        raise InputError("rope_scaling", config["rope_scaling"], allowed)
    return ropes[0] if ropes else _read("rope_parameters", {}, config, theta)


def with_outer_rotary(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The config.json with `partial_rotary_factor` beside the objects of `read_rope`, not in them.

    Raises InputError if it is in several of these places and differs.
    """
    for owner in OBJECTS:
        inside = config.get(owner)
        if not isinstance(inside, Mapping) or inside.get(PARTIAL) is None:
            continue
        rest = {name: value for name, value in inside.items() if name != PARTIAL}
        if config.get(PARTIAL) not in (None, inside[PARTIAL]):
            allowed = f"{owner} says {inside[PARTIAL]!r}, and both must be equal"
            raise InputError(PARTIAL, config[PARTIAL], allowed)
        config = {**config, owner: rest, PARTIAL: inside[PARTIAL]}
    return config


def rope_fields(
    rope: Rope, local: Rope | None = None, outer_original: bool = False
) -> dict[str, Any]:
    """The fields of a config.json, for transformers 4 and 5.

    Args:
        rope: of all layers, or of those without a window.
        local: of the layers with a window, if they have their own.
        outer_original: whether the class reads `original_max_position_embeddings` beside the
            objects.
    """
    if local is not None:
        fields, of_windows = rope_fields(rope), rope_fields(local)
        parts = (fields["rope_parameters"], of_windows["rope_parameters"])
        both = dict(zip(LAYER_KINDS, parts, strict=True))
        return {**fields, "rope_parameters": both, LOCAL_THETA: local.theta}
    values = {NAMES[field]: getattr(rope, field) for field in KINDS[rope.kind]}
    lists = {name: list(x) for name, x in values.items() if isinstance(x, tuple)}
    fields = {"rope_type": rope.kind, **values, **lists}
    older = {} if rope.kind == "default" else {"rope_scaling": fields}
    outer = {ORIGINAL: rope.original} if outer_original and ORIGINAL in fields else {}
    return {"rope_theta": rope.theta, "rope_parameters": fields, **older, **outer}


def _read(owner: str, rope: Any, config: Mapping[str, Any], theta: float) -> Rope:
    """The Rope in the object `owner` of a config.json; fields outside it may complete it, and
    `theta` is the base if neither names one.
    """
    if not isinstance(rope, Mapping):
        raise InputError(owner, rope, "an object with rope_type and rope_theta is expected")
    kind = rope.get("rope_type", rope.get("type", "default"))
    check_choice(f"{owner}.rope_type", kind, KINDS)
    for name, value in rope.items():
        if name not in (*OTHERS, *NAMES.values()):
            raise InputError(f"{owner}.{name}", value, "no such field is supported")
    if rope.get("partial_rotary_factor") not in (1.0, None):
        factor = rope["partial_rotary_factor"]
        raise InputError(f"{owner}.partial_rotary_factor", factor, "only 1.0 is supported")
    defaults = {**_defaults(kind, rope, config), "theta": theta}
    values: dict[str, Any] = {}
    for field in KINDS[kind]:
        value = _value(owner, field, rope, config)
        value = defaults.get(field) if value is None else value
        if value is None:
            raise InputError(f"{owner}.{NAMES[field]}", None, "this rope_type needs it")
        if field in LISTS:
            if not isinstance(value, list | tuple):
                raise InputError(f"{owner}.{NAMES[field]}", value, "a list is expected")
            value = tuple(value)
        values[field] = value
    return Rope(kind=kind, **values)


def _value(owner: str, field: str, rope: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """A field's value, in the object or, for those in `OUTSIDE`, beside it; None if it is missing.

    Raises InputError if both are there and differ.
    """
    name = NAMES[field]
    inside, outside = rope.get(name), config.get(name) if field in OUTSIDE else None
    if None not in (inside, outside) and inside != outside:
        raise InputError(name, outside, f"{owner} says {inside!r}, and both must be equal")
    return outside if inside is None else inside


def _defaults(kind: str, rope: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of missing fields, as transformers completes them."""
    largest = config.get(POSITIONS)
    defaults = {"original": largest}
    if kind not in ("yarn", "longrope"):
        return defaults
    places = (rope.get(NAMES["original"]), config.get(NAMES["original"]), largest)
    original: Any = next((value for value in places if value is not None), None)
    factor = rope.get("factor")
    if factor is None:
        check_field(POSITIONS, largest, int)
        check_field(NAMES["original"], original, int)
        factor = largest / original
    check_field("factor", factor, float)
    if kind == "longrope":
        check_field(NAMES["original"], original, int)
        scale = 1.0 if factor <= 1 or original == 1 else sqrt(1 + log(factor) / log(original))
        return {**defaults, "scale": scale}
    numerator, denominator = rope.get("mscale"), rope.get("mscale_all_dim")
    for name in ("mscale", "mscale_all_dim"):
        if rope.get(name):
            check_field(name, rope[name], float)
    scale = _magnitude(factor)
    if numerator and denominator:
        scale = _magnitude(factor, numerator) / _magnitude(factor, denominator)
    derived = {"fast": Rope.fast, "slow": Rope.slow, "truncate": True, "factor": factor}
    return {**defaults, **derived, "scale": scale}


def _magnitude(factor: float, weight: float = 1.0) -> float:
    """How YaRN scales cosines and sines for a context that is `factor` times as long."""
    return 1.0 if factor <= 1 else 0.1 * weight * log(factor) + 1.0
