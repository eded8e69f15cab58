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


def read_rope(config: Mapping[str, Any]) -> Rope:
    """The Rope of a config.json: `rope_parameters`, or `rope_scaling` and `rope_theta` before
    transformers 5.

    Raises InputError for a kind or field that is not supported, and if both are there and differ.
    """
    ropes = [
        _read(name, config[name], config) for name in OBJECTS if config.get(name) not in (None, {})
    ]
    if len(set(ropes)) > 1:
        allowed = "it is expected to say the same as rope_parameters"
        raise InputError("rope_scaling", config["rope_scaling"], allowed)
    return ropes[0] if ropes else _read("rope_parameters", {}, config)


def rope_fields(rope: Rope) -> dict[str, Any]:
    """The fields of a config.json, for transformers 4 and 5."""
    values = {NAMES[field]: getattr(rope, field) for field in KINDS[rope.kind]}
    lists = {name: list(x) for name, x in values.items() if isinstance(x, tuple)}
    fields = {"rope_type": rope.kind, **values, **lists}
    older = {} if rope.kind == "default" else {"rope_scaling": fields}
    return {"rope_theta": rope.theta, "rope_parameters": fields, **older}


def _read(owner: str, rope: Any, config: Mapping[str, Any]) -> Rope:
    """The Rope in the object `owner` of a config.json; fields outside it may complete it."""
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
    defaults = _defaults(kind, rope, config)
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
    defaults = {"theta": Rope.theta, "original": largest}
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
