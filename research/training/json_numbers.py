"""Infinities and NaN in JSON, which has neither."""

import math
from typing import Any

import jax

_NUMBERS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def to_json_numbers(tree: Any) -> Any:
    """The tree with infinities and NaN, which JSON lacks, as the strings of `_NUMBERS`."""
    return jax.tree.map(
        lambda x: str(x) if isinstance(x, float) and not math.isfinite(x) else x, tree
    )


def from_json_numbers(tree: Any) -> Any:
    """The inverse of `to_json_numbers`."""
    return jax.tree.map(lambda x: _NUMBERS.get(x, x) if isinstance(x, str) else x, tree)
