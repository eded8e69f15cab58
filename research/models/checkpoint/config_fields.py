"""Checks of the fields of a config.json."""

from collections.abc import Mapping
from math import inf
from typing import Any

from research.common.errors import InputError


def check_field(name: str, value: Any, kind: Any) -> None:
    """Raises InputError unless `value` is a bool, or an int or float above 0, as `kind` says."""
    if kind is bool:
        if not isinstance(value, bool):
            raise InputError(name, value, "true or false is expected")
    elif isinstance(value, bool) or not isinstance(value, int | kind) or not 0 < value < inf:
        what = "whole number" if kind is int else "number"
        raise InputError(name, value, f"a {what} above 0 is expected")


def check_fixed(config: Mapping[str, Any], fixed: Mapping[str, tuple[Any, ...]]) -> None:
    """Raises InputError for a field with another value than `fixed` lists; none need be there."""
    for name, allowed in fixed.items():
        if name in config and config[name] not in allowed:
            raise InputError(name, config[name], f"only {allowed[0]!r} is supported")
