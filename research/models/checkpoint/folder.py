"""The folder of a checkpoint: a local one, or a copy from the hub."""

from collections.abc import Sequence
from pathlib import Path

from research.common.errors import InputError

HUB_FILES = [
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-*.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "additional_chat_templates/*.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "spiece.model",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
]


def find_folder(name: str, files: Sequence[str] = HUB_FILES) -> Path:
    """The local folder `name`, or a local copy of these files of the hub's repository `name`.

    Raises InputError if there is neither.
    """
    if name and Path(name).is_dir():
        return Path(name)
    import huggingface_hub

    try:
        return Path(huggingface_hub.snapshot_download(name, allow_patterns=list(files)))
    except (OSError, ValueError) as error:  # bases of all errors of huggingface_hub
        reason = str(error).strip().split("\n")[0]
        allowed = f"no such folder here, and the hub gave none ({type(error).__name__}: {reason})"
        raise InputError("backbone", name, allowed) from error


def find_file(folder: Path, file: str, why: str) -> Path:
    """The path of a file in `folder`. Raises InputError with the reason `why` if it is missing."""
    if not (folder / file).is_file():
        raise InputError("backbone", str(folder), f"it has no {file}; {why}")
    return folder / file
