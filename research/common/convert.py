"""Checked conversion of plain values to the types of dataclass fields.

A converter is made once for each type, since a folder of results has millions of values.
"""

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from research.common.errors import InputError, choose_from
from research.common.json_io import is_text
from research.common.value_path import Path, joined

Converter = Callable[[Any, Path], Any]


class Field(NamedTuple):
    """A field of a dataclass.

    Attributes:
        convert: converts a plain value to its type.
        required: whether it has no default.
        part: its part of a path.
    """

    convert: Converter
    required: bool
    part: str


@cache
def fields_of(cls: type) -> Mapping[str, Field]:
    """The fields of a dataclass that its constructor takes, by name."""
    hints = typing.get_type_hints(cls)
    return {
        f.name: Field(converter(hints[f.name]), _is_required(f), f".{f.name}")
        for f in dataclasses.fields(cls)  # pyright: ignore
        if f.init
    }


def build_checked(cls: type, values: Any, path: Path, parts: Mapping[str, Any]) -> Any:
    """`cls(**values, **parts)`, see `research.common.config.build`."""
    if not isinstance(values, Mapping):
        allowed = f"a mapping with the fields of {cls.__name__} is expected"
        raise InputError(joined(path), values, allowed)
    fields = fields_of(cls)
    if parts:
        fields = {name: field for name, field in fields.items() if name not in parts}
    for name in values:
        if name not in fields:
            allowed = f"not a field here; {choose_from(fields, name)}"
            raise InputError(joined(path), name, allowed)
    for name, field in fields.items():
        if field.required and name not in values:
            raise InputError(joined((path, field.part)), None, "the field is required")
    checked = {}
    for name, value in values.items():
        field = fields[name]
        checked[name] = field.convert(value, (path, field.part))
    try:
        return cls(**checked, **parts)
    except InputError as error:
        raise error.within(joined(path)) from error


@cache
def converter(hint: Any) -> Converter:
    """Returns the function of (value, path) that converts a value to the type `hint`.

    The function raises InputError for a value of another type.
    """
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return lambda value, path: value
    if origin in (types.UnionType, typing.Union):
        return _to_union(args)
    if origin is typing.Literal:
        return _to_literal(args)
    if origin in (tuple, Sequence):
        return _to_tuple(converter(args[0]))
    if origin in (dict, Mapping):
        return _to_mapping(converter(args[1]))
    if dataclasses.is_dataclass(hint):
        return _to_dataclass(hint)  # pyright: ignore
    return _to_float if hint is float else _to_scalar(hint)


def _is_required(field: dataclasses.Field) -> bool:
    missing = dataclasses.MISSING
    return field.default is missing and field.default_factory is missing


def _to_literal(options: tuple[Any, ...]) -> Converter:
    def convert(value: Any, path: Path) -> Any:
        if value not in options:
            allowed = f"allowed are {', '.join(map(repr, options))}"
            raise InputError(joined(path), value, allowed)
        return value

    return convert


def _to_tuple(item: Converter) -> Converter:
    def convert(value: Any, path: Path) -> Any:
        if not isinstance(value, tuple | list):
            raise InputError(joined(path), value, "a sequence is expected")
        return tuple([item(v, (path, i)) for i, v in enumerate(value)])

    return convert


def _to_mapping(item: Converter) -> Converter:
    def convert(value: Any, path: Path) -> Any:
        if not isinstance(value, Mapping):
            raise InputError(joined(path), value, "a mapping is expected")
        names = [_text(str(name), path) for name in value]
        values = [item(v, (path, (k,))) for k, v in value.items()]
        return dict(zip(names, values, strict=True))

    return convert


def _to_dataclass(cls: type) -> Converter:
    def convert(value: Any, path: Path) -> Any:
        return value if isinstance(value, cls) else build_checked(cls, value, path, {})

    return convert


def _to_scalar(hint: type) -> Converter:
    def convert(value: Any, path: Path) -> Any:
        if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
            expected = getattr(hint, "__name__", str(hint))
            raise InputError(joined(path), value, f"a value of type {expected} is expected")
        return _text(value, path) if isinstance(value, str) else value

    return convert


_FLOAT = _to_scalar(float)


def _to_float(value: Any, path: Path) -> float:
    """The value as a float. Raises InputError if it is too large for one."""
    if isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError as error:
            raise InputError(joined(path), value, "a smaller number is expected") from error
    return _FLOAT(value, path)


def _text(value: str, path: Path) -> str:
    """The value. Raises InputError if UTF-8 cannot encode it."""
    if not (value.isascii() or is_text(value)):
        raise InputError(joined(path), value, "it has half of a surrogate pair, which is no text")
    return value


def _to_union(hints: tuple[Any, ...]) -> Converter:
    """Converts to the first type of the union that the value fits."""
    optional = types.NoneType in hints
    options = [converter(hint) for hint in hints if hint is not types.NoneType]

    def convert(value: Any, path: Path) -> Any:
        if value is None and optional:
            return None
        errors = []
        for option in options:
            try:
                return option(value, path)
            except InputError as error:
                errors.append(error)
        deepest = max(errors, key=lambda error: len(error.field))
        if len(errors) == 1 or deepest.field != joined(path):
            raise deepest
        allowed = f"expected is {' or '.join(map(_described, hints))}"
        raise InputError(joined(path), value, allowed)

    return convert


def _described(hint: Any) -> str:
    """A type of a union in words."""
    origin = typing.get_origin(hint)
    if origin is typing.Literal:
        return " or ".join(map(repr, typing.get_args(hint)))
    if dataclasses.is_dataclass(hint):
        return "a mapping"
    kinds = {tuple: "a sequence", dict: "a mapping", Mapping: "a mapping", types.NoneType: "None"}
    return kinds.get(origin or hint, getattr(hint, "__name__", str(hint)))
