"""Tensors of an adapter that are leaves of the backbone itself: biases, tables, output layers."""

from collections.abc import Collection, Mapping

import numpy as np

from research.common.errors import InputError
from research.interop.options import HEADS, Config
from research.interop.targets import PREFIX, ends_with
from research.methods.method import Leaves
from research.models.checkpoint.key_map import Key
from research.models.checkpoint.weights import Shapes
from research.models.model import Model

BESIDE = ".base_layer."  # in the names of a layer that has an adapter as well


def whole_leaves(
    config: Config, stored: Collection[str], model: Model, shapes: Shapes
) -> dict[str, Key]:
    """The leaf of the backbone for each tensor name that belongs to one.

    Raises InputError for a module of `modules_to_save` without a tensor.
    """
    keys = {key.tensor: key for key in map(model.KEY_MAP.key, shapes)}
    leaves: dict[str, Key] = {}
    for name in stored:
        module_name = name.removeprefix(PREFIX).replace(BESIDE, ".")
        if name.startswith(PREFIX) and (key := keys.get(model.KEY_MAP.name(module_name))):
            leaves[name] = key
    saved = [name for name in config.get("modules_to_save") or [] if name not in HEADS]
    for module in saved:
        if not any(ends_with(key.module, module) for key in leaves.values()):
            allowed = "no tensor of the adapter is a leaf of the backbone with this name"
            raise InputError("modules_to_save", module, allowed)
    return leaves


def expected_shapes(keys: Mapping[str, Key], shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The shapes that these tensors must have."""
    return {name: key.transpose_shape(shapes[key.leaf]) for name, key in keys.items()}


def changed(
    config: Config, arrays: Mapping[str, np.ndarray], keys: Mapping[str, Key], params: Leaves
) -> Leaves:
    """The leaves that differ from the backbone's; PEFT also stores equal ones in some adapters.

    Raises InputError for a leaf that differs though the options say that it was not trained.
    """
    leaves: Leaves = {}
    saved = config.get("modules_to_save") or []
    for name, key in keys.items():
        leaf = key.transpose(arrays[name])
        if np.array_equal(leaf, np.asarray(params[key.leaf], np.float32)):
            continue
        biases = config.get("bias", "none") != "none" and key.leaf.endswith("/bias")
        if not biases and not any(ends_with(key.module, module) for module in saved):
            allowed = (
                "it differs from the backbone's, and neither bias nor modules_to_save names it"
            )
            raise InputError("adapter", name, allowed)
        leaves[key.leaf] = leaf
    return leaves
