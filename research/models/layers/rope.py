"""Frequencies of rotary positions, and how a config.json spells them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import Any

import jax
import jax.numpy as jnp

from research.common.errors import InputError, choose_from
from research.models.checkpoint.config_fields import check_field

# Our field and what a Hugging Face config.json calls it.
NAMES = {
    "theta": "rope_theta",
    "factor": "factor",
    "low": "low_freq_factor",
    "high": "high_freq_factor",
    "original": "original_max_position_embeddings",
}
# The fields that each kind reads.
KINDS = {"default": ("theta",), "linear": ("theta", "factor"), "llama3": tuple(NAMES)}
FLAGS = ("rope_type", "type", "partial_rotary_factor")


@dataclass(frozen=True)
class Rope:
    """Base of the frequencies, and how they are stretched to a longer context.

    `linear` divides all by `factor` (Chen et al. 2023, arXiv 2306.15595). `llama3` divides those
    of pairs that turn less than `low` times within `original` positions, keeps those that turn
    more than `high` times and blends in between (Grattafiori et al. 2024, arXiv 2407.21783).
    Raises InputError for values that do not fit together.
    """

    theta: float = 10000.0
    kind: str = "default"
    factor: float = 1.0
    low: float = 1.0  # turns
    high: float = 4.0  # turns
    original: int = 8192  # positions

    def __post_init__(self):
        if self.kind not in KINDS:
            raise InputError("rope_type", self.kind, choose_from(KINDS, str(self.kind)))
        for ours in KINDS[self.kind]:
            check_field(NAMES[ours], getattr(self, ours), int if ours == "original" else float)
        if self.high <= self.low:
            allowed = f"a number above low_freq_factor ({self.low}) is expected"
            raise InputError("high_freq_factor", self.high, allowed)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any]) -> "Rope":
        """From a config.json: `rope_parameters` in transformers 5, two fields before.

        Raises InputError for a kind or field that is not supported, and where two places differ.
        """
        places = [p for p in ("rope_parameters", "rope_scaling") if config.get(p) not in (None, {})]
        found = [_read(place, config[place], config) for place in places]
        if len(set(found)) > 1:
            allowed = "it is expected to say the same as rope_parameters"
            raise InputError("rope_scaling", config["rope_scaling"], allowed)
        return found[0] if found else _read("rope_parameters", {}, config)

    def to_hf(self) -> dict[str, Any]:
        """The fields of a config.json, where transformers 4 and 5 look for them."""
        numbers = {NAMES[ours]: getattr(self, ours) for ours in KINDS[self.kind]}
        fields = {"rope_type": self.kind, **numbers}
        older = {} if self.kind == "default" else {"rope_scaling": fields}
        return {"rope_theta": self.theta, "rope_parameters": fields, **older}

    def frequencies(self, width: int) -> jax.Array:
        """Angle per position [K / 2] of each pair of a head: theta^(-2i / K), stretched."""
        exponents = jnp.arange(0, width, 2, dtype=jnp.float32) / width
        plain = 1.0 / float(self.theta) ** exponents
        if self.kind == "default":
            return plain
        if self.kind == "linear":
            return plain / self.factor
        turns = self.original * plain / (2 * pi)
        kept = jnp.clip((turns - self.low) / (self.high - self.low), 0.0, 1.0)
        return plain * (kept + (1 - kept) / self.factor)


def _read(place: str, rope: Any, config: Mapping[str, Any]) -> Rope:
    """What the object at `place` says; the rest of the config may complete it, not contradict."""
    if not isinstance(rope, Mapping):
        raise InputError(place, rope, "an object with rope_type and rope_theta is expected")
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind not in KINDS:
        raise InputError(f"{place}.rope_type", kind, choose_from(KINDS, str(kind)))
    for name, value in rope.items():
        if name not in (*FLAGS, *NAMES.values()):
            raise InputError(f"{place}.{name}", value, "no such field is supported")
    if rope.get("partial_rotary_factor") not in (1.0, None):
        factor = rope["partial_rotary_factor"]
        raise InputError(f"{place}.partial_rotary_factor", factor, "only 1.0 is supported")
    numbers = {ours: _number(place, NAMES[ours], rope, config) for ours in KINDS[kind]}
    return Rope(kind=kind, **numbers)


def _number(place: str, name: str, rope: Mapping[str, Any], config: Mapping[str, Any]) -> Any:
    """The field `name`, inside the object or, for two of them, outside. InputError if none."""
    outside = config.get(name) if name in (NAMES["theta"], NAMES["original"]) else None
    given = [value for value in (rope.get(name), outside) if value is not None]
    if len(given) == 2 and given[0] != given[1]:
        raise InputError(name, outside, f"{place} says {given[0]!r}, and both must be equal")
    defaults = {
        NAMES["theta"]: Rope.theta,
        NAMES["original"]: config.get("max_position_embeddings"),
    }
    value = given[0] if given else defaults.get(name)
    if value is None:
        raise InputError(f"{place}.{name}", None, "this rope_type needs it")
    return value
