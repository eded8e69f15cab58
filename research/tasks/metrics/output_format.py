"""The format of generated texts: a regular expression or a JSON schema."""

import importlib.util
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from research.common.errors import InputError
from research.common.json_io import parse_json
from research.common.paths import resolve_path
from research.common.user_regex import check_expression, matches_in_time

INSTALL = "it takes outlines-core and jsonschema: pip install 'adaptlab[constrained]'"


@dataclass(frozen=True)
class JsonSchema:
    """A JSON schema (draft 2020-12) that an output must satisfy.

    Raises InputError without the packages that read it, for an invalid schema, for a pattern that
    is no regular expression, for `patternProperties`, and for a reference to another file.

    Attributes:
      text: the schema as JSON; the order of properties is that of constrained outputs.
    """

    text: str

    @classmethod
    def at(cls, path: str | None) -> "JsonSchema | None":
        """The schema in a file; None for None."""
        if path is None:
            return None
        try:
            content = parse_json(Path(resolve_path(path, "json_schema")).read_bytes())
        except (OSError, ValueError) as error:
            allowed = f"it cannot be read as JSON ({error})"
            raise InputError("json_schema", path, allowed) from error
        return cls(json.dumps(content))

    def __post_init__(self) -> None:
        if any(importlib.util.find_spec(name) is None for name in ("outlines_core", "jsonschema")):
            raise InputError("json_schema", self.text, INSTALL)
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError

        try:
            Draft202012Validator.check_schema(self._schema)
        except SchemaError as error:
            allowed = f"it is no JSON schema ({error.message})"
            raise InputError("json_schema", self.text, allowed) from error
        self._check_keywords(self._schema)
        try:
            self._validator.is_valid(None)
        except Exception as error:  # a reference without a target, or to itself
            allowed = f"its references cannot be followed ({error})"
            raise InputError("json_schema", self.text, allowed) from error

    def _check_keywords(self, schema: Any) -> None:
        """Raises InputError for keywords whose patterns or references have no bound."""
        for keyword, value in _keywords(schema):
            if keyword == "patternProperties":
                raise InputError("json_schema", keyword, "use properties, which have names")
            if keyword == "pattern" and isinstance(value, str):
                check_expression(value, "json_schema.pattern")
            if keyword == "$ref" and isinstance(value, str) and not value.startswith("#"):
                raise InputError("json_schema.$ref", value, "a reference begins with '#'")

    def matches(self, output: str) -> bool:
        """Whether an output is JSON that satisfies the schema; a slow pattern does not match."""
        try:
            return self._validator.is_valid(parse_json(output, parse_constant=_reject))
        except (ValueError, RecursionError):  # no JSON, or nested too deeply
            return False

    @property
    def pattern(self) -> str:
        """A regular expression of JSON texts that satisfy the schema, by outlines-core.

        Properties are in the order of the schema, with one space or none between tokens. Raises
        InputError for a schema that outlines-core refuses, and for `allOf`, which it reads as a
        sequence.
        """
        if any(keyword == "allOf" for keyword, _ in _keywords(self._schema)):
            allowed = "constrained decoding cannot intersect schemas"
            raise InputError("json_schema", "allOf", allowed)
        from outlines_core import json_schema

        try:
            return json_schema.build_regex_from_schema(self.text)
        except (ValueError, TypeError) as error:
            allowed = f"outlines-core refuses it ({' '.join(str(error).split())})"
            raise InputError("json_schema", self.text, allowed) from error

    @cached_property
    def _schema(self) -> Any:
        return json.loads(self.text)

    @cached_property
    def _validator(self) -> Any:
        from jsonschema import Draft202012Validator
        from jsonschema.validators import extend
        from referencing import Registry

        # Without a registry of its own it would load references from the network.
        kind = extend(Draft202012Validator, {"pattern": _check_pattern})
        return kind(self._schema, registry=Registry())


Format = str | JsonSchema


def format_pattern(output_format: Format) -> str:
    """The regular expression that constrained outputs match in full. Raises InputError."""
    return output_format.pattern if isinstance(output_format, JsonSchema) else output_format


def check_format(output_format: Format | None) -> None:
    """Raises InputError for an invalid regular expression; a schema has checked itself."""
    if isinstance(output_format, str):
        check_expression(output_format, "format")


def in_format(output_format: Format, output: str, references: object) -> float:
    """1 where the output is in the format, else 0; an expression has a time limit."""
    del references
    if isinstance(output_format, JsonSchema):
        return float(output_format.matches(output))
    return float(matches_in_time(output_format, output) or False)


def format_to_json(output_format: Format | None) -> Any:
    """The format in a task's checksum."""
    if isinstance(output_format, JsonSchema):
        return {"json_schema": output_format.text}
    return output_format


def _keywords(schema: Any) -> Iterator[tuple[str, Any]]:
    """Every (name, value) of the objects within a schema."""
    if isinstance(schema, Mapping):
        yield from schema.items()
    if isinstance(schema, Mapping | list):
        for value in schema.values() if isinstance(schema, Mapping) else schema:
            yield from _keywords(value)


def _check_pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    """The keyword `pattern`, which may match anywhere in a text, with a time limit."""
    del validator, schema
    from jsonschema.exceptions import ValidationError

    if isinstance(instance, str) and not matches_in_time(f".*(?:{pattern}).*", instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _reject(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")
