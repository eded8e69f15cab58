"""Rotary positions: frequencies, and the rotation of heads."""

from dataclasses import dataclass
from math import ceil, floor, log, pi

import jax.numpy as jnp
from jax import Array

from research.common.errors import InputError, check_choice
from research.models.checkpoint.config_fields import check_field

Rotation = tuple[Array, Array]  # cosine and sine, each [B, T, 1, K / 2] in float32

# Our name of a field and its name in a Hugging Face config.json.
NAMES = {
    "theta": "rope_theta",
    "factor": "factor",
    "low": "low_freq_factor",
    "high": "high_freq_factor",
    "original": "original_max_position_embeddings",
    "fast": "beta_fast",
    "slow": "beta_slow",
    "scale": "attention_factor",
    "truncate": "truncate",
    "short": "short_factor",
    "long": "long_factor",
}
# The fields that each kind has.
KINDS = {
    "default": ("theta",),
    "linear": ("theta", "factor"),
    "dynamic": ("theta", "factor"),
    "llama3": ("theta", "factor", "low", "high", "original"),
    "yarn": ("theta", "factor", "original", "fast", "slow", "scale", "truncate"),
    "longrope": ("theta", "original", "scale", "short", "long"),
}
TYPES = {"original": int, "truncate": bool}  # of fields that are no float
LISTS = ("short", "long")


@dataclass(frozen=True)
class Rope:
    """The frequencies of rotary positions, and their scaling to a longer context.

    `linear` divides all by `factor` (Chen et al. 2023, arXiv 2306.15595). `llama3` divides those
    of pairs that turn less than `low` times within `original` positions, leaves those that turn
    more than `high` times unchanged and interpolates in between (Grattafiori et al. 2024, arXiv
    2407.21783). `yarn` interpolates between both ends along the dimensions (Peng et al. 2023, arXiv
    2309.00071, section 3). `longrope` divides each by a factor of its own (Ding et al. 2024, arXiv
    2402.13753), here by those for texts of at most `original` positions. Both scale cosines and
    sines. `dynamic` changes nothing within the positions that the model has. Raises InputError for
    values that do not fit together.

    Attributes:
        theta: base of the frequencies.
        kind: the scaling, a key of `KINDS`.
        factor: divisor of the frequencies.
        low: number of turns below which a frequency is divided.
        high: number of turns above which a frequency is unchanged.
        original: number of positions before scaling.
        fast: number of turns above which YaRN leaves a frequency unchanged.
        slow: number of turns below which YaRN divides a frequency.
        scale: factor of cosines and sines.
        truncate: whether YaRN rounds the dimensions between which it interpolates.
        short: LongRoPE's divisors of the frequencies up to `original` positions.
        long: those beyond, which are only written again.
    """

    theta: float = 10000.0
    kind: str = "default"
    factor: float = 1.0
    low: float = 1.0
    high: float = 4.0
    original: int = 8192
    fast: float = 32.0
    slow: float = 1.0
    scale: float = 1.0
    truncate: bool = True
    short: tuple[float, ...] = ()
    long: tuple[float, ...] = ()

    def __post_init__(self):
        check_choice("rope_type", self.kind, KINDS)
        for field in KINDS[self.kind]:
            value = getattr(self, field)
            for number in value if field in LISTS else (value,):
                check_field(NAMES[field], number, TYPES.get(field, float))
        if self.kind == "yarn" and self.theta <= 1:
            raise InputError("rope_theta", self.theta, "a number above 1 is expected for yarn")
        if self.high <= self.low:
            allowed = f"a number above low_freq_factor ({self.low}) is expected"
            raise InputError("high_freq_factor", self.high, allowed)

    def frequencies(self, width: int) -> Array:
        """Angle per position [K / 2] of each pair of a head: theta^(-2i / K), scaled."""
        exponents = jnp.arange(0, width, 2, dtype=jnp.float32) / width
        plain = 1.0 / float(self.theta) ** exponents
        if self.kind in ("default", "dynamic"):
            return plain
        if self.kind == "linear":
            return plain / self.factor
        if self.kind == "longrope":
            return plain / jnp.asarray(self.short, jnp.float32)
        if self.kind == "yarn":
            unscaled = 1.0 - self._ramp(width)
            return plain * (unscaled + (1 - unscaled) / self.factor)
        rotations = self.original * plain / (2 * pi)
        unscaled = jnp.clip((rotations - self.low) / (self.high - self.low), 0.0, 1.0)
        return plain * (unscaled + (1 - unscaled) / self.factor)

    def _ramp(self, width: int) -> Array:
        """[K / 2] from 0 to 1: how far YaRN divides each frequency."""

        def dimension(rotations: float) -> float:
            """The dimension that rotates so often within the original positions."""
            return width * log(self.original / (rotations * 2 * pi)) / (2 * log(self.theta))

        first, last = dimension(self.fast), dimension(self.slow)
        if self.truncate:
            first, last = floor(first), ceil(last)
        first, last = max(first, 0), min(last, width - 1)
        last = last + 0.001 if first == last else last
        ramp = (jnp.arange(width // 2, dtype=jnp.float32) - first) / (last - first)
        return jnp.clip(ramp, 0.0, 1.0)


def rotation_at(positions: Array, frequencies: Array, scale: float = 1.0) -> Rotation:
    """Cosines and sines of the angles `position * frequency` at positions [B, T].

    Su et al. 2021 (arXiv 2104.09864), equation 15; one frequency per pair of a head. Both are
    multiplied by `scale`.
    """
    angles = positions.astype(jnp.float32)[..., None, None] * frequencies[None, None, None]
    cosine, sine = jnp.cos(angles), jnp.sin(angles)
    # Dividing by cos^2 + sin^2, which is 1 up to rounding, makes XLA compute cosines and sines only
    # once. Otherwise it computes them in every head of every layer: 10 % of a step.
    square_sum = cosine**2 + sine**2
    if scale != 1.0:
        square_sum = square_sum / scale
    return cosine / square_sum, sine / square_sum


def rotate(heads: Array, rotation: Rotation) -> Array:
    """Rotates the pairs (i, i + R / 2) of the first R dimensions of every head of [B, T, H, K].

    This is the half-split order of Hugging Face. R is twice the number of angles in `rotation`.
    """
    cosine, sine = rotation
    width = 2 * cosine.shape[-1]
    first, second = jnp.split(heads[..., :width].astype(jnp.float32), 2, axis=-1)
    halves = [first * cosine - second * sine, second * cosine + first * sine]
    rotated = jnp.concatenate(halves, axis=-1).astype(heads.dtype)
    if width == heads.shape[-1]:
        return rotated
    return jnp.concatenate([rotated, heads[..., width:]], axis=-1)
