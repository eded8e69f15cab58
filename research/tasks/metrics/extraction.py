"""The entities and relations that an answer names.

An answer is JSON or lines, see "Extraction" in docs/protocol.md:

    {"entities": [{"text": "Marie Curie", "type": "PER"}],
     "relations": [{"type": "born in", "head": {"text": "Marie Curie", "type": "PER"},
                    "tail": {"text": "Warsaw", "type": "LOC"}}]}

    PER: Marie Curie; PER: Marie Curie | born in | LOC: Warsaw
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from research.common.json_io import parse_json

NONE = "none"  # an answer by lines without entities


class Entity(NamedTuple):
    """An entity; two are equal if all of it is.

    Attributes:
      type: its type.
      text: its words, with single spaces.
      start: index of its first character in the input; None where the answer names none.
    """

    type: str
    text: str
    start: int | None = None


class Relation(NamedTuple):
    """A directed relation between two entities."""

    type: str
    head: Entity
    tail: Entity


class Extraction(NamedTuple):
    """All that an answer names.

    Attributes:
      entities: the entities; repeated ones count each.
      relations: the relations; repeated ones count each.
    """

    entities: Counter[Entity]
    relations: Counter[Relation]


class _Unreadable(ValueError):
    """An answer, or a part of it, that is not in the format."""


def parse_extraction(text: str, strict: bool = False) -> Extraction:
    """The entities and relations that an answer names.

    What cannot be read names nothing: a whole JSON text, or one part of an answer by lines.

    Args:
      text: the answer.
      strict: raises ValueError instead, as for references.
    """
    text = text.strip()
    try:
        if text.startswith(("{", "[")):
            return _from_json(text)
        return _from_lines(text, strict)
    except ValueError:
        if strict:
            raise
        return Extraction(Counter(), Counter())


def _from_json(text: str) -> Extraction:
    value = parse_json(text)
    fields = {"entities": value} if isinstance(value, list) else value
    if not fields.keys() <= {"entities", "relations"}:
        raise _Unreadable("its fields are entities and relations")
    entities, relations = fields.get("entities", []), fields.get("relations", [])
    if not isinstance(entities, list) or not isinstance(relations, list):
        raise _Unreadable("entities and relations are lists")
    return Extraction(Counter(map(_entity, entities)), Counter(map(_relation, relations)))


def _entity(value: Any) -> Entity:
    _check_fields(value, ("text", "type"), ("start",))
    start = value.get("start")
    if isinstance(start, bool) or not isinstance(start, int | None):
        raise _Unreadable("start is a whole number")
    return Entity(_words(value["type"]), _words(value["text"]), start)


def _relation(value: Any) -> Relation:
    _check_fields(value, ("type", "head", "tail"))
    return Relation(_words(value["type"]), _entity(value["head"]), _entity(value["tail"]))


def _check_fields(value: Any, names: Sequence[str], optional: Sequence[str] = ()) -> None:
    if not isinstance(value, Mapping) or not {*names} <= value.keys() <= {*names, *optional}:
        raise _Unreadable(f"an object with {', '.join(names)} is expected")


def _words(value: Any) -> str:
    """A text with single spaces."""
    if not isinstance(value, str) or not value.strip():
        raise _Unreadable("a text and a type are strings that are not empty")
    return " ".join(value.split())


def _from_lines(text: str, strict: bool) -> Extraction:
    extraction = Extraction(Counter(), Counter())
    parts = [part.strip() for part in re.split(r"[;\n]", text)]
    for part in parts:
        if not part or part.lower() == NONE:
            continue
        try:
            pieces = [piece.strip() for piece in part.split("|")]
            if len(pieces) == 3:
                head, name, tail = pieces
                relation = Relation(_words(name), _line_entity(head), _line_entity(tail))
                extraction.relations[relation] += 1
            else:
                extraction.entities[_line_entity(part)] += 1
        except _Unreadable:
            if strict:
                raise
    return extraction


def _line_entity(text: str) -> Entity:
    """The entity `TYPE: text`."""
    name, colon, words = text.partition(":")
    if not colon or "|" in text:
        raise _Unreadable("TYPE: text, or TYPE: text | relation | TYPE: text, is expected")
    return Entity(_words(name), _words(words))
