"""Formats of outputs: what a JSON schema accepts, and which schemas are refused."""

import importlib.util
import json
from pathlib import Path

import pytest

from research.common import user_regex
from research.common.errors import InputError
from research.tasks.datasets.text_files import TextFileTask
from research.tasks.metrics.output_format import JsonSchema
from tests.tasks.text_tasks import task

PEOPLE = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string", "pattern": "^[A-Z]"}, "age": {"type": "integer"}},
        "required": ["name"],
        "additionalProperties": False,
    },
}


def schema(value: object) -> JsonSchema:
    return JsonSchema(json.dumps(value))


def test_white_space_and_the_order_of_properties_are_free():
    people = schema(PEOPLE)
    for text in (
        "[]",
        '[{"name": "Ann", "age": 3}]',
        '[{"age": 3,"name":"Ann"}]',
        ' [\n {"name": "Ann"}\n]\n',
    ):
        assert people.matches(text)
    for text in (
        "",
        "[",
        "[] []",
        "{}",
        "NaN",
        '[{"age": 3}]',
        '[{"name": "ann"}]',
        '[{"name": "Ann", "age": "3"}]',
        '[{"name": "Ann", "name": "Bob"}]',
        "[" * 100_000,
    ):
        assert not people.matches(text)
    assert list(task(format=people).judged(["[]", "x"], [("y",)] * 2).items["format"]) == [1, 0]


def test_a_slow_pattern_of_a_schema_does_not_match(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(user_regex, "SECONDS", 0.05)
    slow = schema({"type": "string", "pattern": "^(a|aa)+$"})
    assert slow.matches('"aaa"') and not slow.matches(f'"{"a" * 60}b"')


def test_the_order_of_properties_is_part_of_a_run():
    """Constrained outputs have it, so that it is part of the checksum."""
    values = [{"properties": {name: {"type": "null"} for name in names}} for names in ("ab", "ba")]
    first, second = (task(format=schema(value)).checksum for value in values)
    assert first != second


@pytest.mark.parametrize(
    "value, message",
    [
        ({"type": "text"}, "it is no JSON schema"),
        (3, "it is no JSON schema"),
        ({"pattern": "(a"}, "it is no JSON schema"),
        ({"pattern": "a{30000}"}, "json_schema.pattern is .*at most 20,000 characters"),
        ({"patternProperties": {"a": {}}}, "use properties, which have names"),
        ({"$ref": "https://example.org/schema"}, "a reference begins with '#'"),
        ({"$ref": "#/nothing"}, "its references cannot be followed"),
        ({"$ref": "#"}, "its references cannot be followed"),
    ],
)
def test_schemas_that_are_refused(value: object, message: str):
    with pytest.raises(InputError, match=message):
        schema(value)


def test_a_schema_that_cannot_be_decoded():
    with pytest.raises(InputError, match="outlines-core refuses it \\(.*[Uu]nsupported"):
        print(schema({"not": {"type": "null"}}).pattern)


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    table, file = tmp_path / "t.csv", tmp_path / "schema.json"
    table.write_text("text,target\na,[]\nb,[]\n")
    file.write_text(json.dumps(PEOPLE))
    settings = dict(name="t", train=str(table), test=str(table))
    loaded = TextFileTask(**settings, json_schema=str(file)).load()
    assert loaded.format == schema(PEOPLE)
    with pytest.raises(InputError, match="either format or json_schema, not both"):
        TextFileTask(**settings, json_schema=str(file), format="a").load()
    file.write_text("{")
    with pytest.raises(InputError, match="json_schema is .*schema.json.*cannot be read as JSON"):
        TextFileTask(**settings, json_schema=str(file)).load()
    with pytest.raises(InputError, match="json_schema is .*none.json"):
        TextFileTask(**settings, json_schema=str(tmp_path / "none.json")).load()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'adaptlab\[constrained\]'"):
        schema(PEOPLE)


def test_schemas_are_not_intersected():
    """outlines-core makes a sequence of them, which is no JSON."""
    both = schema({"allOf": [{"type": "integer"}, {"minimum": 3}]})
    assert both.matches("4") and not both.matches("2")
    with pytest.raises(InputError, match="constrained decoding cannot intersect schemas"):
        print(both.pattern)
