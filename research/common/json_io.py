"""JSON files, read with checks for duplicate keys, invalid Unicode and excessive nesting."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from research.common.errors import InputError

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def is_text(value: str) -> bool:
    """Whether UTF-8 can encode the value; half of a surrogate pair, which JSON can escape, is not
    text.
    """
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def parse_json(text: str | bytes, **read: Any) -> Any:
    """The value of a JSON text in UTF-8, with or without a byte order mark.

    Raises ValueError for invalid JSON, an object with a duplicate key, a string that is not text,
    and values that are nested too deeply.

    Args:
        text: The JSON text.
        read: `parse_int`, `parse_float` and `parse_constant` of `json.loads`.
    """
    text = text.decode("utf-8-sig") if isinstance(text, bytes) else text
    try:
        value = json.loads(text, object_pairs_hook=_reject_duplicate_keys, **read)
    except RecursionError as error:
        raise ValueError("it has too many values within one another") from error
    if SURROGATE.search(text) and not is_text(json.dumps(value, ensure_ascii=False)):
        raise ValueError("it has half of a surrogate pair, which is no text")
    return value


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises InputError for a file without one."""
    try:
        content = parse_json(file.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError("file", str(file), f"it cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError("file", str(file), "a JSON object is expected")
    return content


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Writes an indented JSON file, as Hugging Face libraries do."""
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _reject_duplicate_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"an object names {twice!r} twice")
    return values
