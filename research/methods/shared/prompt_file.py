"""Reads soft prompts from files of google-research/prompt-tuning, of PEFT and of our runs."""

from pathlib import Path

import numpy as np

from research.common.errors import InputError
from research.common.json_io import read_json
from research.models.checkpoint.tensors import NotFinite, tensors

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
# The tensor with the prompt, as a sweep keeps it and as PEFT does.
NAMES = ("soft_prompt:/prompt", "prompt_embeddings")


def prompt_files(source: Path, field: str) -> tuple[Path, ...]:
    """The files of a soft prompt: one of numpy or safetensors, or those of a PEFT folder.

    Raises InputError for a missing file.
    """
    files = (source / CONFIG, source / WEIGHTS) if source.is_dir() else (source,)
    for file in files:
        if not file.is_file():
            allowed = f"a .npy file, the .safetensors of a run or a folder of PEFT; no {file.name}"
            raise InputError(field, str(source), allowed)
    return files


def read_prompt(source: Path, field: str) -> np.ndarray:
    """The soft prompt [P, D] in a file or folder, float32.

    For T5, PEFT stores a prompt for the encoder and one for the decoder, and uses the first alone;
    so do we. Raises InputError for a file without a prompt; nothing is unpickled.
    """
    *config, file = prompt_files(source, field)
    prompt = read_npy(file, field) if file.suffix == ".npy" else _read_tensor(file, field)
    if config:
        settings = read_json(config[0])
        length = settings.get("num_virtual_tokens")
        if settings.get("peft_type") != "PROMPT_TUNING" or not isinstance(length, int):
            allowed = "the adapter is no soft prompt: peft_type 'PROMPT_TUNING' is expected"
            raise InputError(field, str(source), allowed)
        prompt = prompt[:length]
    return prompt


def read_npy(file: Path, field: str) -> np.ndarray:
    """An array of floats with two axes; InputError for any other."""
    try:
        prompt = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(field, str(file), f"it is no .npy file of numbers ({error})") from error
    if not isinstance(prompt, np.ndarray) or prompt.ndim != 2 or prompt.dtype.kind != "f":
        raise InputError(field, str(file), "an array of numbers with two axes is expected")
    with np.errstate(over="ignore"):  # what float32 cannot hold is infinite then
        prompt = prompt.astype(np.float32)
    if not np.isfinite(prompt).all():
        raise InputError(field, str(file), "it has numbers that are not finite")
    return prompt


def _read_tensor(file: Path, field: str) -> np.ndarray:
    stored = tensors([file])
    named = [stored[name] for name in NAMES if name in stored]
    if len(named) != 1 or len(named[0].shape) != 2:
        allowed = f"one of the tensors {', '.join(NAMES)} is expected; it has {sorted(stored)}"
        raise InputError(field, str(file), allowed)
    try:
        return named[0].read((slice(None), slice(None)), np.float32)
    except NotFinite as error:
        raise InputError(field, str(file), f"{error} has numbers that are not finite") from error
