"""Tensors of an adapter that are leaves of the backbone itself: biases, tables, output layers.

A backbone may tie tensors, such as its output layer to its table of token embeddings. PEFT saves a
module of `modules_to_save` apart from the ones that it is tied to, and these keep the backbone's
values; with `ensure_weight_tying` all of them are stored and equal.
"""

import re
from collections.abc import Collection, Mapping
from itertools import accumulate

import numpy as np

from research.common.errors import InputError
from research.interop.options import Config
from research.interop.targets import PREFIX
from research.methods.method import Leaves
from research.models.checkpoint.key_map import Key
from research.models.checkpoint.tensors import Tensor
from research.models.checkpoint.weights import Shapes, problem_summary
from research.models.model import HEAD, TABLE, Model

BESIDE = ".base_layer."  # in the names of a layer that has an adapter as well
# In the names of a module of `modules_to_save`, of the backbone's tensors and of the adapter's.
WRAPPER = r"\.(?:original_module|modules_to_save)\."


def without_repeated(stored: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without those that `bias: all` stores once more, by the names of wrappers."""
    return {
        name: tensor
        for name, tensor in stored.items()
        if not re.search(WRAPPER, name) or not _plain_names(name).intersection(stored)
    }


def with_output_layer(model: Model, params: Leaves) -> Leaves:
    """The backbone's leaves, with the output layer where it is tied to the table."""
    if model.ROUTE == "masked" or not model.config.tied:
        return params
    return {**params, HEAD: np.asarray(params[TABLE]).T}


def whole_leaves(
    config: Config, stored: Collection[str], model: Model, shapes: Shapes
) -> dict[str, Key]:
    """The leaf of the backbone for each tensor name that belongs to one.

    Raises InputError for a module of `modules_to_save` whose tensors are not all there. PEFT passes
    over names of modules that the model does not have.

    Args:
        shapes: of the leaves in `with_output_layer`.
    """
    keys = {key.tensor: key for key in map(model.KEY_MAP.key, shapes)}
    copies = _copies(model, keys)
    spelled = keys | {name: keys[table]._replace(tensor=name) for name, table in copies.items()}
    leaves: dict[str, Key] = {}
    for name in stored:
        module_name = name.removeprefix(PREFIX).replace(BESIDE, ".")
        if name.startswith(PREFIX) and (key := spelled.get(model.KEY_MAP.name(module_name))):
            leaves[name] = key
    absent = set(keys) - {key.tensor for key in leaves.values()}
    for module in config.get("modules_to_save") or []:
        if missing := sorted(name for name in absent if _is_saved(keys[name], [module])):
            allowed = problem_summary([("missing", name) for name in missing])
            raise InputError("modules_to_save", module, allowed)
    return leaves


def expected_shapes(keys: Mapping[str, Key], shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The shapes that these tensors must have."""
    return {name: key.transpose_shape(shapes[key.leaf]) for name, key in keys.items()}


def changed_leaves(
    config: Config,
    arrays: Mapping[str, np.ndarray],
    keys: Mapping[str, Key],
    model: Model,
    params: Leaves,
) -> Leaves:
    """The leaves that differ from the backbone's; PEFT also stores equal ones in some adapters.

    Raises InputError for a leaf that differs though the options say that it was not trained, and
    for tied tensors that differ, unless one is an output layer.

    Args:
        params: the leaves in `with_output_layer`.
    """
    leaves: Leaves = {}
    tensors = {key.tensor: arrays[name] for name, key in keys.items()}
    saved = config.get("modules_to_save") or []
    for name, key in keys.items():
        table = tensors.get(model.KEY_MAP.copies.get(key.tensor, ""))
        leaf = key.transpose(arrays[name])
        if np.array_equal(leaf, np.asarray(params[key.leaf], np.float32)):
            continue
        biases = config.get("bias", "none") != "none" and key.leaf.endswith("/bias")
        named = _is_saved(key, saved)
        tied = table is not None and np.array_equal(arrays[name], table)
        if not biases and not named and not tied:
            allowed = (
                "it differs from the backbone's, and neither bias nor modules_to_save names it"
            )
            raise InputError("adapter", name, allowed)
        leaves[key.leaf] = leaf
    _check_ties(saved, tensors, model, params)
    return leaves


def tied_again(model: Model, leaves: Leaves, params: Leaves) -> Leaves:
    """The leaves of an adapter for a backbone, with the output layer of one that ties it only if
    the adapter separates it from the table.

    Args:
        leaves: of the adapter, read for the leaves in `with_output_layer`.
        params: of the backbone.
    """
    if model.ROUTE == "masked" or not model.config.tied:
        return leaves
    output = leaves.get(HEAD, with_output_layer(model, params)[HEAD])
    table = np.asarray(leaves.get(TABLE, params[TABLE]))
    layer = HEAD.rpartition("/")[0]
    adapted = any(path.partition(":")[2].startswith(f"{layer}/") for path in leaves)
    if adapted or not np.array_equal(np.asarray(output).T, table):
        return {**leaves, HEAD: output}
    return {path: leaf for path, leaf in leaves.items() if path != HEAD}


def _is_saved(key: Key, saved: Collection[str]) -> bool:
    """Whether PEFT saves the module of a tensor, or one that it is in: by the end of its name."""
    modules = accumulate(key.module.split("."), "{}.{}".format)
    return any(module.endswith(tuple(saved)) for module in modules)


def _plain_names(name: str) -> set[str]:
    """A tensor's names without a wrapper, of which some have the adapter's name."""
    before, _, after = re.split(rf"({WRAPPER})", name, maxsplit=1)
    return {f"{before}.{after}", f"{before}.{after.partition('.')[2]}"}


def _copies(model: Model, keys: Collection[str]) -> dict[str, str]:
    """{tied tensor: original} of the model's parts, other than its output layer."""
    parts = {name.partition(".")[0] for name in keys}
    return {
        copy: original
        for copy, original in model.KEY_MAP.copies.items()
        if copy not in keys and copy.partition(".")[0] in parts
    }


def _check_ties(
    saved: list[str], tensors: Mapping[str, np.ndarray], model: Model, params: Leaves
) -> None:
    """Raises InputError for tied tensors that differ in the adapted model."""
    keys = {key.tensor: key for key in map(model.KEY_MAP.key, params)}
    for copy, original in _copies(model, keys).items():
        key = keys[original]
        backbone = key.transpose(np.asarray(params[key.leaf], np.float32))
        if not np.array_equal(tensors.get(copy, backbone), tensors.get(original, backbone)):
            allowed = (
                f"in PEFT {copy} and {original} then differ, and the backbone has one leaf for both"
            )
            raise InputError("modules_to_save", saved, allowed)
