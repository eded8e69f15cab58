"""Conversion between plain data (configs, records) and frozen dataclasses.

Fields and types of plain data are checked against those of the dataclass, at any depth.
"""

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from research.common.errors import InputError, check_choice, choose_from
from research.common.json_io import is_text

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
    if not isinstance(values, Mapping):
        raise InputError(field, values, f"a mapping with the fields of {cls.__name__} is expected")
    parts = parts or {}
    fields = {
        f.name: f
        for f in dataclasses.fields(cls)  # pyright: ignore
        if f.init and f.name not in parts
    }
    hints = typing.get_type_hints(cls)
    for name in values:
        if name not in fields:
            raise InputError(field, name, f"not a field here; {choose_from(fields, name)}")
    for name, f in fields.items():
        required = f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise InputError(f"{field}.{name}", None, "the field is required")
    checked = {name: _convert(hints[name], v, f"{field}.{name}") for name, v in values.items()}
    try:
        return cls(**checked, **parts)
    except InputError as error:
        raise error.within(field) from error


def changed(settings: T, name: str, value: Any, field: str) -> T:
    """`settings` with a new value of the field `name`, which is checked as in `build`."""
    hint = typing.get_type_hints(type(settings))[name]
    converted = _convert(hint, value, f"{field}.{name}")
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


def _convert(hint: Any, value: Any, field: str) -> Any:
    """`value` converted to the type `hint`. Raises InputError if it has another type."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        return _convert_union(args, value, field)
    if origin is typing.Literal:
        if value not in args:
            raise InputError(field, value, f"allowed are {', '.join(map(repr, args))}")
        return value
    if origin in (tuple, Sequence):
        if not isinstance(value, tuple | list):
            raise InputError(field, value, "a sequence is expected")
        return tuple(_convert(args[0], v, f"{field}[{i}]") for i, v in enumerate(value))
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise InputError(field, value, "a mapping is expected")
        names = [_text(str(name), field) for name in value]
        values = [_convert(args[1], v, f"{field}[{k!r}]") for k, v in value.items()]
        return dict(zip(names, values, strict=True))
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else build(hint, value, field)  # pyright: ignore
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return _float(value, field)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        expected = getattr(hint, "__name__", str(hint))
        raise InputError(field, value, f"a value of type {expected} is expected")
    return _text(value, field) if isinstance(value, str) else value


def _float(value: int, field: str) -> float:
    """The value as a float. Raises InputError if it is too large for one."""
    try:
        return float(value)
    except OverflowError as error:
        raise InputError(field, value, "a smaller number is expected") from error


def _text(value: str, field: str) -> str:
    """The value. Raises InputError if UTF-8 cannot encode it."""
    if not is_text(value):
        raise InputError(field, value, "it has half of a surrogate pair, which is no text")
    return value


def _convert_union(options: tuple[Any, ...], value: Any, field: str) -> Any:
    """`value` converted to the first type of the union that it fits. Raises InputError for none."""
    if value is None and type(None) in options:
        return None
    errors = []
    for option in options:
        if option is type(None):
            continue
        try:
            return _convert(option, value, field)
        except InputError as error:
            errors.append(error)
    deepest = max(errors, key=lambda error: len(error.field))
    if len(errors) == 1 or deepest.field != field:
        raise deepest
    raise InputError(field, value, f"expected is {' or '.join(map(_described, options))}")


def _described(hint: Any) -> str:
    """A type of a union in words."""
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    if dataclasses.is_dataclass(hint):
        return "a mapping"
    kinds = {tuple: "a sequence", dict: "a mapping", Mapping: "a mapping", types.NoneType: "None"}
    return kinds.get(origin or hint, getattr(hint, "__name__", str(hint)))
