"""JSON data of records: numbers as JSON has them, written and read."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from research.common.json_io import parse_json


def to_json(value: Any) -> Any:
    """JSON data: numpy scalars become numbers, tuples lists, non-finite numbers None."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_json(item) for item in value]
    return value


def parse_strict_json(content: bytes) -> Any:
    """The JSON value; raises ValueError for NaN and infinities too, which JSON does not have."""
    return parse_json(content, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
