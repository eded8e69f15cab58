"""The fields of generation_config.json."""

from collections.abc import Mapping
from typing import Any

from research.common.json_io import read_json
from research.models.checkpoint.folder import find_folder


def load_generation(name: str) -> dict[str, Any] | None:
    """The fields of generation_config.json of a folder or hub id; None if it has none."""
    file = find_folder(name) / "generation_config.json"
    return read_json(file) if file.is_file() else None


def end_ids(name: str, vocab_size: int) -> tuple[int, ...]:
    """The ids of `eos_token_id` in generation_config.json that the model has."""
    ids = (load_generation(name) or {}).get("eos_token_id")
    ids = ids if isinstance(ids, list) else [ids]
    return tuple(id for id in ids if isinstance(id, int) and 0 <= id < vocab_size)


def default_generation(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What transformers takes from a config.json where generation_config.json is missing."""
    names = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id")
    return {name: fields[name] for name in names if fields.get(name) is not None}
