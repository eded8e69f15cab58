"""Leaves of adapted backbones: which are added, trained, stored."""

import zlib
from collections.abc import Iterable, Mapping

import jax
import numpy as np

from research.methods.method import Method, Words
from research.models.checkpoint.weights import Array, Leaves


def pad_to(array: Array, shape: tuple[int, ...]) -> np.ndarray:
    """The array zero-padded at the end of each axis to a larger `shape`."""
    larger = np.zeros(shape, array.dtype)
    larger[tuple(map(slice, array.shape))] = array
    return larger


def path_key(key: jax.Array, path: str) -> jax.Array:
    """A random key that depends on the path alone, not on the order of leaves."""
    return jax.random.fold_in(key, zlib.crc32(path.encode()))


def add(method: Method, key: jax.Array, params: Leaves, words: Words) -> Leaves:
    """The leaves that `method` adds, flat: `<name>:<module path>/<leaf name>`."""
    return flat(method, method.init(path_key(key, method.name), backbone(params), words))


def flat(method: Method, added: Mapping[str, Leaves]) -> Leaves:
    """Leaves {module path: {leaf name: array}} of a method as one flat dict."""
    return {
        f"{method.name}:{path}/{leaf}": array
        for path, leaves in added.items()
        for leaf, array in leaves.items()
    }


def added_to(method: Method, leaves: Leaves) -> dict[str, Leaves]:
    """The inverse of `flat`: {module path: {leaf name: array}} of this method's leaves."""
    added: dict[str, Leaves] = {}
    for path in paths_of(method, leaves):
        module, _, leaf = path.removeprefix(f"{method.name}:").rpartition("/")
        added.setdefault(module, {})[leaf] = leaves[path]
    return added


def paths_of(method: Method, paths: Iterable[str]) -> list[str]:
    """The paths of the leaves that `method` added."""
    return [path for path in paths if path.startswith(f"{method.name}:")]


def added_to_layers(method: Method, leaves: Leaves) -> dict[str, Leaves]:
    """{layer path: {leaf name: array}}: as each layer sees the method's leaves, those of the
    model as a whole among them.
    """
    added = added_to(method, leaves)
    shared = added.pop("", {})
    return {path: {**shared, **leaf} for path, leaf in added.items()}


def adding(methods: Iterable[Method], leaves: Leaves) -> tuple[Method, ...]:
    """The methods that added leaves.

    The others change what trains, and nothing of the computation: a fully fine-tuned backbone
    runs by the program of the frozen one.
    """
    return tuple(method for method in methods if added_to(method, leaves))


def backbone(leaves: Leaves) -> Leaves:
    """The leaves that no method added."""
    return {path: array for path, array in leaves.items() if ":" not in path}


def head_leaves(leaves: Leaves) -> Leaves:
    """The leaves of a classification head."""
    return {path: array for path, array in leaves.items() if path.startswith("head:")}


def without_head(leaves: Leaves) -> Leaves:
    """All leaves but those of a classification head."""
    return {path: array for path, array in leaves.items() if not path.startswith("head:")}


def mask(methods: Iterable[Method], leaves: Leaves) -> dict[str, bool]:
    """True for the leaves that train: backbone leaves that a method trains, and the methods' own
    leaves but for those that they freeze.

    The one mask: it decides what is differentiated, has optimizer state, is clipped, decayed,
    counted and saved.
    """
    trained: set[str] = set()
    backbone_paths = list(backbone(leaves))
    for method in methods:
        trained.update(method.trains(backbone_paths))
        method_paths = paths_of(method, leaves)
        trained.update(set(method_paths).difference(method.freezes(method_paths)))
    return {path: path in trained for path in leaves}


def split(leaves: Leaves, trained: dict[str, bool]) -> tuple[Leaves, Leaves]:
    """(trained, frozen); `{**frozen, **trained}` is the inverse."""
    return (
        {path: array for path, array in leaves.items() if trained[path]},
        {path: array for path, array in leaves.items() if not trained[path]},
    )


def stored_leaves(methods: Iterable[Method], leaves: Leaves) -> Leaves:
    """The leaves that are stored after training, of the methods' own among `leaves`."""
    stored: Leaves = {}
    for method in methods:
        added = added_to(method, leaves)
        stored |= flat(method, {path: method.stored(leaf) for path, leaf in added.items()})
    return stored


def stored_frozen(methods: Iterable[Method], leaves: Leaves, trained: dict[str, bool]) -> Leaves:
    """The methods' own leaves that do not train and yet have to be stored."""
    frozen: Leaves = {}
    for method in methods:
        method_paths = paths_of(method, leaves)
        if not all(trained[path] for path in method_paths):
            stored = stored_leaves((method,), leaves)
            frozen |= {path: array for path, array in stored.items() if not trained[path]}
    return frozen


def key_width(params: Leaves, layer: str) -> int:
    """Width of the keys, G * K, that the layer at a path `.../key` or `.../qkv` makes.

    A layer `qkv` or `qkv_by_head` makes queries too, as wide as the input of the layer `out`, and
    values.
    """
    width = params[f"{layer}/kernel"].shape[1]
    module, _, name = layer.rpartition("/")
    if name == "key":
        return width
    return (width - params[f"{module}/out/kernel"].shape[0]) // 2
