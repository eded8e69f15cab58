"""Hugging Face safetensors <-> leaves; every tensor of a checkpoint is accounted for."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from safetensors.numpy import save_file

from research.common.errors import InputError
from research.models.checkpoint.files import INDEX, SINGLE, weight_files
from research.models.checkpoint.key_map import Key, KeyMap
from research.models.checkpoint.tensors import Tensor, tensors
from research.runtime.devices import leaf_sharding

Array = jax.Array | np.ndarray
Leaves = dict[str, Array]  # by slash path
Shapes = Mapping[str, tuple[int, ...]]
Problem = tuple[str, str]  # what is wrong, and with which tensor

FLOATS = ("F32", "F16", "BF16")


def tensor_names(folder: Path, layout: KeyMap) -> list[str]:
    """The names of a checkpoint's tensors, as the layout spells them."""
    return [layout.name(stored) for stored in tensors(weight_files(folder))]


def read_weights(
    folder: Path, layout: KeyMap, shapes: Shapes, dtype: Any, mesh: Mesh | None = None
) -> Leaves:
    """The leaves named in `shapes`, as `dtype`, from a folder's safetensors file or shards.

    With a mesh, each device gets its part of every leaf and no other. One tensor at a time is
    read. Raises InputError for a file that cannot be read, and one InputError that lists every
    tensor that is missing, surplus, of another shape or type than wanted, or tied and yet
    different.
    """
    found, problems = _found(folder, layout)
    keys = [layout.key(path) for path in shapes]
    own = {key.theirs for key in keys}
    pairs = layout.copies.items()
    copies = {copy: whole for copy, whole in pairs if whole in own and copy not in own}
    known = own | copies.keys()
    problems += [("surplus", n) for n in found if n not in known and not layout.ignores(n)]
    sources: dict[Key, list[Tensor]] = {}
    for key in keys:
        tied = [copy for copy, whole in copies.items() if whole == key.theirs]
        sources[key] = [found[name] for name in (key.theirs, *tied) if name in found]
        problems += [] if sources[key] else [("missing", key.theirs)]
        wanted = shapes[key.ours][::-1] if key.transposed else shapes[key.ours]
        problems += [p for tensor in sources[key] for p in misfits(tensor, wanted)]
    if not problems:
        problems += [p for equals in sources.values() for p in _unequal(equals)]
    if problems:
        raise InputError("weights", str(folder), problem_summary(problems))
    return {key.ours: _leaf(equals[0], key, dtype, mesh) for key, equals in sources.items()}


def write_weights(file: Path, layout: KeyMap, leaves: Mapping[str, Any], dtype: Any) -> None:
    """Writes leaves as one safetensors file with Hugging Face names, as `dtype`."""
    stored = {}
    for path, leaf in leaves.items():
        key = layout.key(path)
        array = np.asarray(leaf).astype(dtype, copy=False)
        stored[key.theirs] = np.ascontiguousarray(array.T if key.transposed else array)
    save_file(stored, file, metadata={"format": "pt"})


def write_shards(
    folder: Path, layout: KeyMap, leaves: Mapping[str, Any], dtype: Any, shard_bytes: int
) -> None:
    """`write_weights` as files of at most `shard_bytes`, with an index if there are several.

    A leaf that is larger than that is a file of its own.
    """
    shards: list[dict[str, Any]] = [{}]
    filled = total = 0
    for path, leaf in leaves.items():
        size = leaf.size * jnp.dtype(dtype).itemsize
        if shards[-1] and filled + size > shard_bytes:
            shards.append({})
            filled = 0
        shards[-1][path] = leaf
        filled, total = filled + size, total + size
    if len(shards) == 1:
        return write_weights(folder / SINGLE, layout, leaves, dtype)
    weight_map = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        write_weights(folder / name, layout, shard, dtype)
        weight_map |= {layout.key(path).theirs: name for path in shard}
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _found(folder: Path, layout: KeyMap) -> tuple[dict[str, Tensor], list[Problem]]:
    """A checkpoint's tensors by the layout's names, and those that a name has too many."""
    found: dict[str, Tensor] = {}
    problems: list[Problem] = []
    for stored, tensor in tensors(weight_files(folder)).items():
        name = layout.name(stored)
        if name in found:
            problems.append((f"another spelling of {found[name].name}", stored))
        found[name] = tensor
    return found, problems


def misfits(tensor: Tensor, wanted: tuple[int, ...]) -> list[Problem]:
    """What is wrong with a tensor that should have the shape `wanted`."""
    problems: list[Problem] = []
    if tensor.shape != wanted:
        problems.append((f"of shape {tensor.shape} instead of {wanted}", tensor.name))
    if tensor.kind not in FLOATS:
        problems.append((f"of type {tensor.kind}", tensor.name))
    return problems


def _unequal(tied: list[Tensor]) -> list[Problem]:
    """A problem for each tensor that differs from the first, which it is tied to."""
    return [
        (f"not equal to {tied[0].name}, to which the config ties it", tensor.name)
        for tensor in tied[1:]
        if not tensor.equals(tied[0])
    ]


def _leaf(tensor: Tensor, key: Key, dtype: Any, mesh: Mesh | None) -> jax.Array:
    shape = tensor.shape[::-1] if key.transposed else tensor.shape
    if mesh is None:
        whole = (slice(None),) * len(shape)
        return jax.device_put(tensor.read(whole, dtype, key.transposed))
    parts: dict[str, np.ndarray] = {}

    def part(index: Any) -> np.ndarray:
        """Read once, however many devices have a copy of it."""
        if str(index) not in parts:
            parts[str(index)] = tensor.read(index, dtype, key.transposed)
        return parts[str(index)]

    sharding = leaf_sharding(mesh, jax.ShapeDtypeStruct(shape, dtype))
    return jax.make_array_from_callback(shape, sharding, part)


def problem_summary(problems: Iterable[Problem]) -> str:
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
