"""Hugging Face safetensors <-> leaves; every tensor of a checkpoint is accounted for."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from research.errors import InputError

Array = jax.Array | np.ndarray
Leaves = dict[str, Array]  # by slash path
Shapes = Mapping[str, tuple[int, ...]]
Problem = tuple[str, str]  # what is wrong, and with which tensor

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
FLOATS = ("F32", "F16", "BF16")


class Key(NamedTuple):
    """What Hugging Face calls one of our leaves; `{i}` stands for a layer's number."""

    theirs: str
    ours: str
    transposed: bool = False  # torch keeps a linear layer's weight as [out, in]

    def named(self, path: str) -> "Key | None":
        """This key for the leaf at `path`, with its layer's number; None if it is another's."""
        match = re.fullmatch(_pattern(self.ours), path)
        return match and Key(self.theirs.format(**match.groupdict()), path, self.transposed)


class Layout(NamedTuple):
    """How a family of models names its tensors."""

    keys: tuple[Key, ...]
    copies: Mapping[str, str]  # a tied tensor, which may stand beside or instead of the original
    computed: tuple[str, ...]  # buffers that old checkpoints hold and the model computes

    def key(self, path: str) -> Key:
        """The key of the leaf at `path`, with its layer's number. Raises InputError if none."""
        named = (key.named(path) for key in self.keys)
        if found := next(filter(None, named), None):
            return found
        raise InputError("leaf", path, "it has no name in Hugging Face checkpoints of this model")

    def computes(self, name: str) -> bool:
        """Whether a tensor is a buffer that the model computes by itself."""
        return any(re.fullmatch(_pattern(computed), name) for computed in self.computed)


def read_weights(folder: Path, layout: Layout, shapes: Shapes, dtype: Any) -> Leaves:
    """The leaves named in `shapes`, as `dtype`, from a folder's safetensors file or shards.

    Raises InputError for a file that cannot be read, and one InputError that lists every tensor
    that is missing, surplus, of another shape or type than wanted, or tied and yet different.
    """
    found = _tensors(weight_files(folder))
    keys = [layout.key(path) for path in shapes]
    own = {key.theirs for key in keys}
    copies = {whole: copy for copy, whole in layout.copies.items() if copy not in own}
    sources = {
        key: [name for name in (key.theirs, copies.get(key.theirs)) if name in found]
        for key in keys
    }
    problems: list[Problem] = []
    for key, names in sources.items():
        wanted = shapes[key.ours][::-1] if key.transposed else shapes[key.ours]
        problems += [("missing", key.theirs)] if not names else []
        problems += [p for name in names for p in _misfits(name, found[name], wanted)]
    known = own | set(copies.values())
    problems += [("surplus", n) for n in found if n not in known and not layout.computes(n)]
    if not problems:
        problems += [p for names in sources.values() for p in _unequal(names, found)]
    if problems:
        raise InputError("weights", str(folder), _summary(problems))
    return {key.ours: _leaf(found[names[0]], key, dtype) for key, names in sources.items()}


def write_weights(file: Path, layout: Layout, leaves: Mapping[str, Any], dtype: Any) -> None:
    """Writes leaves as one safetensors file with Hugging Face names, as `dtype`."""
    tensors = {}
    for path, leaf in leaves.items():
        key = layout.key(path)
        array = np.asarray(leaf).astype(dtype)
        tensors[key.theirs] = np.ascontiguousarray(array.T if key.transposed else array)
    save_file(tensors, file, metadata={"format": "pt"})


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
    if any(folder.glob("*.bin")):
        convert = (
            "from transformers import AutoModelForCausalLM as M; "
            f"M.from_pretrained({str(folder)!r}).save_pretrained('converted')"
        )
        allowed += f", pickles are never loaded; where PyTorch is installed, convert it: {convert}"
    raise InputError("weights", str(folder), allowed)


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises InputError for a file that holds none."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError("file", str(file), f"it cannot be read as JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError("file", str(file), "a JSON object is expected")
    return content


def _tensors(files: Iterable[Path]) -> dict[str, Any]:
    """{name: slice}: a slice knows its shape and type, and reads the file when indexed."""
    found: dict[str, Any] = {}
    for file in files:
        if not file.is_file():
            raise InputError("weights", str(file), f"{INDEX} names it, but it is not there")
        try:
            with safe_open(file, framework="numpy") as opened:
                slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            allowed = f"it is damaged, or no safetensors file: {error}"
            raise InputError("weights", str(file), allowed) from error
        if twice := sorted(found.keys() & slices.keys()):
            raise InputError("weights", str(file), f"another shard holds {', '.join(twice)} too")
        found |= slices
    return found


def _misfits(name: str, tensor: Any, wanted: tuple[int, ...]) -> list[Problem]:
    shape, kind = tuple(tensor.get_shape()), tensor.get_dtype()
    problems = [(f"of shape {shape} instead of {wanted}", name)] if shape != wanted else []
    return problems + ([(f"of type {kind}", name)] if kind not in FLOATS else [])


def _unequal(names: list[str], found: Mapping[str, Any]) -> list[Problem]:
    """A problem for each of `names` that differs from the first, which it is tied to."""
    return [
        (f"not equal to {names[0]}, to which the config ties it", name)
        for name in names[1:]
        if not np.array_equal(found[name][:], found[names[0]][:])
    ]


def _leaf(tensor: Any, key: Key, dtype: Any) -> jax.Array:
    array = tensor[:].T if key.transposed else tensor[:]
    return jnp.asarray(np.ascontiguousarray(array), dtype)


def _pattern(name: str) -> str:
    return re.escape(name).replace(re.escape("{i}"), r"(?P<i>\d+)")


def _summary(problems: Iterable[Problem]) -> str:
    """`2 missing: layers.{0,1}.bias; 1 surplus: c`; names that differ in a number are joined."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for kind, name in problems:
        number = re.search(r"\d+", name)
        stem = re.sub(r"\d+", "#", name, count=1)
        kinds.setdefault(kind, {}).setdefault(stem, []).append(number[0] if number else "")
    parts = []
    for kind, stems in kinds.items():
        names = [
            stem.replace("#", "{" + ",".join(numbers) + "}" if numbers[1:] else numbers[0])
            for stem, numbers in stems.items()
        ]
        parts.append(f"{sum(map(len, stems.values()))} {kind}: {', '.join(names)}")
    return "; ".join(parts)
