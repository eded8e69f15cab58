"""Canonical JSON, and the SHA-256 digests and run ids made from it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from research.common.errors import InputError

_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def sha256(content: bytes) -> str:
    """The SHA-256 digest in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def arrays_digest(arrays: Mapping[str, Any], text: str = "") -> str:
    """The digest of arrays, with their names, types and shapes, and of a text beside them."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"\n{name} {array.dtype} {np.shape(arrays[name])}\n".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def canonical(value: Any) -> str:
    """Canonical JSON: sorted keys, no white space. Raises InputError for a value without JSON."""
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        raise InputError("settings", value, f"only JSON values can be stored ({error})") from error


def run_id(settings: Mapping[str, Any]) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON of `settings`."""
    return sha256(canonical(settings).encode())[:16]


def record_checksum(record: Mapping[str, Any]) -> str:
    """The first 16 digits of the SHA-256 of a record without its checksum, to detect edits."""
    return sha256(canonical(without_checksum(record)).encode())[:16]


def without_checksum(content: Any) -> Any:
    """A record without its checksum; unchanged if it is no mapping."""
    if not isinstance(content, dict):
        return content
    return {name: value for name, value in content.items() if name != "checksum"}
