"""The files of a checkpoint's folder."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from research.common.errors import InputError
from research.common.json_io import read_json

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"

# Patterns of weight files that are never loaded, most of them pickles; the packages that convert
# them; and the option with which `from_pretrained` reads them, None if it does not.
OTHER_FORMATS: dict[str, tuple[str, str | None]] = {
    "pytorch_model*.bin": ("PyTorch is", ""),
    "tf_model*.h5": ("transformers 4 with TensorFlow and PyTorch are", ", from_tf=True"),
    "flax_model*.msgpack": ("transformers 4 with Flax and PyTorch are", ", from_flax=True"),
    **{pattern: ("PyTorch is", None) for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt")},
}


def weight_files(folder: Path) -> list[Path]:
    """The safetensors file, or shards, of a checkpoint. Raises InputError if there are none."""
    if (folder / SINGLE).is_file():
        return [folder / SINGLE]
    if (folder / INDEX).is_file():
        weight_map = read_json(folder / INDEX).get("weight_map")
        if not isinstance(weight_map, dict):
            raise InputError("weights", str(folder / INDEX), "it must have a weight_map")
        return [folder / str(name) for name in sorted(set(weight_map.values()))]
    allowed = f"a folder with {SINGLE} or {INDEX} is expected"
    raise InputError("weights", str(folder), allowed + _conversion_advice(folder))


def files_checksum(files: Iterable[Path]) -> str:
    """sha256 over the names and contents of the files that exist, without their folder's path."""
    digest = hashlib.sha256()
    for file in files:
        if file.is_file():
            digest.update(f"{file.name} {file.stat().st_size}\n".encode())
            with file.open("rb") as opened:
                for block in iter(lambda: opened.read(1 << 20), b""):
                    digest.update(block)
    return digest.hexdigest()


def _conversion_advice(folder: Path) -> str:
    """How to convert weights of another format in a folder; empty if there are none."""
    files = (
        (file, *conversion)
        for pattern, conversion in OTHER_FORMATS.items()
        for file in folder.glob(pattern)
    )
    file, library, option = next(files, (None, None, None))
    if file is None:
        return ""
    if option is None:
        convert = (
            "import torch; from safetensors.torch import save_file; "
            f"save_file(torch.load({str(file)!r}, weights_only=True), {SINGLE!r})"
        )
    else:
        convert = (
            f"from transformers import {_architecture(folder)} as M; "
            f"M.from_pretrained({str(folder)!r}{option}).save_pretrained('converted')"
        )
    return f"; {file.name} is never loaded, but where {library} installed, convert it: {convert}"


def _architecture(folder: Path) -> str:
    """The class of transformers that a checkpoint's config.json names."""
    config = read_json(folder / "config.json") if (folder / "config.json").is_file() else {}
    names = config.get("architectures")
    if isinstance(names, list) and names and str(names[0]).isidentifier():
        return str(names[0])
    return "AutoModelForSeq2SeqLM" if config.get("is_encoder_decoder") else "AutoModelForCausalLM"
