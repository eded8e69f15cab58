"""Reads and writes leaves as Hugging Face safetensors; every tensor is accounted for."""

import multiprocessing
import re
import sys
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from safetensors.numpy import save_file

from research.common.errors import InputError
from research.common.json_io import write_json
from research.models.checkpoint.files import INDEX, SINGLE, weight_files
from research.models.checkpoint.key_map import Key, KeyMap
from research.models.checkpoint.tensors import NotFinite, Tensor, tensors
from research.runtime.devices import leaf_sharding

Array = jax.Array | np.ndarray
Leaves = dict[str, Array]  # by slash path
Shapes = Mapping[str, tuple[int, ...]]
Problem = tuple[str, str]  # (description, name of the tensor)

FLOATS = ("F32", "F16", "BF16")
NOT_FINITE = "with numbers that are not finite"  # a problem


def tensor_names(folder: Path, key_map: KeyMap) -> list[str]:
    """The names of a checkpoint's tensors, as the key map spells them."""
    return [key_map.name(stored) for stored in tensors(weight_files(folder))]


def read_weights(
    folder: Path, key_map: KeyMap, shapes: Shapes, dtype: Any, mesh: Mesh | None = None
) -> Leaves:
    """The leaves named in `shapes`, as `dtype`, from a folder's safetensors file or shards.

    With a mesh, each device gets only its part of every leaf. Tensors are read one at a time.
    Raises InputError for a file that cannot be read, one InputError that lists every tensor that
    is missing, surplus, of another shape or type than expected, or tied to an unequal one, and one
    that lists every tensor with numbers that are not finite.
    """
    stored, problems = _checkpoint_tensors(folder, key_map)
    keys = [key_map.key(path) for path in shapes]
    expected = {key.tensor for key in keys}
    copies = {
        copy: original
        for copy, original in key_map.copies.items()
        if original in expected and copy not in expected
    }
    used = expected | copies.keys()
    surplus = [name for name in stored if name not in used and not key_map.ignores(name)]
    problems += [("surplus", name) for name in surplus if name not in key_map.other_heads]
    sources: dict[Key, list[Tensor]] = {}
    for key in keys:
        tied = [copy for copy, original in copies.items() if original == key.tensor]
        sources[key] = [stored[name] for name in (key.tensor, *tied) if name in stored]
        problems += [] if sources[key] else [("missing", key.tensor)]
        wanted = key.transpose_shape(shapes[key.leaf])
        problems += [p for tensor in sources[key] for p in misfits(tensor, wanted)]
    if not problems:
        problems += [p for equals in sources.values() for p in _unequal(equals)]
    leaves: Leaves = {}
    for key, equals in () if problems else sources.items():
        try:
            leaves[key.leaf] = _leaf(equals[0], key, dtype, mesh)
        except NotFinite as error:
            problems.append((NOT_FINITE, str(error)))
    if problems:
        raise InputError("weights", str(folder), problem_summary(problems))
    if surplus:
        _name_unused(str(folder), ", ".join(sorted(surplus)))
    return leaves


def write_weights(file: Path, key_map: KeyMap, leaves: Mapping[str, Any], dtype: Any) -> None:
    """Writes leaves as one safetensors file with Hugging Face names, as `dtype`."""
    stored = {}
    for path, leaf in leaves.items():
        key = key_map.key(path)
        array = np.asarray(leaf).astype(dtype, copy=False)
        stored[key.tensor] = np.ascontiguousarray(key.transpose(array))
    save_file(stored, file, metadata={"format": "pt"})


def write_shards(
    folder: Path, key_map: KeyMap, leaves: Mapping[str, Any], dtype: Any, shard_bytes: int
) -> None:
    """Writes leaves as files of at most `shard_bytes`, with an index if there are several.

    A leaf that is larger has its own file.
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
        return write_weights(folder / SINGLE, key_map, leaves, dtype)
    weight_map = {}
    for number, shard in enumerate(shards, start=1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        write_weights(folder / name, key_map, shard, dtype)
        weight_map |= {key_map.key(path).tensor: name for path in shard}
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    write_json(folder / INDEX, index)


def _checkpoint_tensors(folder: Path, key_map: KeyMap) -> tuple[dict[str, Tensor], list[Problem]]:
    """A checkpoint's tensors by their names in the key map; a problem for each second spelling."""
    by_name: dict[str, Tensor] = {}
    problems: list[Problem] = []
    for stored, tensor in tensors(weight_files(folder)).items():
        name = key_map.name(stored)
        if name in by_name:
            problems.append((f"another spelling of {by_name[name].name}", stored))
        by_name[name] = tensor
    return by_name, problems


@lru_cache
def _name_unused(folder: str, names: str) -> None:
    """Tells once, and not in every worker of a sweep, of heads that a checkpoint has in vain."""
    if multiprocessing.parent_process() is None:
        print(f"{folder}: {names} belong to a head that is not used", file=sys.stderr)


def misfits(tensor: Tensor, wanted: tuple[int, ...]) -> list[Problem]:
    """Problems of a tensor that should be floats of the shape `wanted`."""
    problems: list[Problem] = []
    if tensor.shape != wanted:
        problems.append((f"of shape {tensor.shape} instead of {wanted}", tensor.name))
    if tensor.kind not in FLOATS:
        problems.append((f"of type {tensor.kind}", tensor.name))
    return problems


def _unequal(tied: list[Tensor]) -> list[Problem]:
    """A problem for each tensor that differs from the first, to which it is tied."""
    return [
        (f"not equal to {tied[0].name}, to which the config ties it", tensor.name)
        for tensor in tied[1:]
        if not tensor.equals(tied[0])
    ]


def _leaf(tensor: Tensor, key: Key, dtype: Any, mesh: Mesh | None) -> jax.Array:
    shape = key.transpose_shape(tensor.shape)
    if mesh is None:
        whole = (slice(None),) * len(shape)
        return jax.device_put(tensor.read(whole, dtype, key.transposed))
    parts: dict[str, np.ndarray] = {}

    def part(index: Any) -> np.ndarray:
        """This part of the leaf, read only once for all devices that hold it."""
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
