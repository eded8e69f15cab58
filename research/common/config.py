"""Conversion between plain data (configs, records) and frozen dataclasses.

Fields and types of plain data are checked against those of the dataclass, at any depth.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from research.common.convert import build_checked, fields_of
from research.common.errors import InputError, check_choice

T = TypeVar("T")


def build(
    cls: type[T], values: Mapping[str, Any], field: str, parts: Mapping[str, Any] | None = None
) -> T:
    """`cls(**values, **parts)` with every name and type checked; nested dataclasses are built too.

    Raises InputError for an unknown or missing field, and for a value of the wrong type.

    Args:
        cls: The dataclass.
        values: Values of its fields.
        field: Path shown in errors, such as `config.training`.
        parts: Values of further fields, which are not checked.
    """
    return build_checked(cls, values, field, parts or {})


def changed(settings: T, name: str, value: Any, field: str) -> T:
    """`settings` with a new value of the field `name`, which is checked as in `build`."""
    of_name = fields_of(type(settings))[name]
    converted = of_name.convert(value, (field, of_name.part))
    try:
        return dataclasses.replace(settings, **{name: converted})  # pyright: ignore
    except InputError as error:
        raise error.within(field) from error


def build_named(
    registry: Mapping[str, type[T]], values: Mapping[str, Any], field: str, key: str
) -> T:
    """Builds the class of `registry` whose name is `values[key]` from the other values.

    Raises InputError as `build` does, and for an unknown name.
    """
    if not isinstance(values, Mapping) or key not in values:
        raise InputError(field, values, f"a mapping with the field {key!r} is expected")
    name = values[key]
    check_choice(f"{field}.{key}", name, registry)
    return build(registry[name], {k: v for k, v in values.items() if k != key}, field)


def resolved(settings: Any) -> Any:
    """Plain JSON data of a dataclass with all fields."""
    return _plain(settings, defaults=True)


def non_default(settings: Any) -> Any:
    """Like `resolved`, without fields that have their default value.

    A run's id is made from these values, so a new field with a default does not change it.
    """
    return _plain(settings, defaults=False)


def _plain(settings: Any, defaults: bool) -> Any:
    """Plain JSON data; `defaults`: with fields that have their default value."""
    if dataclasses.is_dataclass(settings):
        values = {f: getattr(settings, f.name) for f in dataclasses.fields(settings)}
        return {
            f.name: _plain(value, defaults)
            for f, value in values.items()
            if defaults or not _is_default(f, value)
        }
    if isinstance(settings, Mapping):
        return {str(k): _plain(v, defaults) for k, v in settings.items()}
    if isinstance(settings, tuple | list):
        return [_plain(v, defaults) for v in settings]
    return settings


def _is_default(field: dataclasses.Field, value: Any) -> bool:
    if field.default_factory is not dataclasses.MISSING:
        return value == field.default_factory()
    return field.default is not dataclasses.MISSING and value == field.default
