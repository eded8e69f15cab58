"""IA3 in the format of PEFT: one vector beside each module, for its inputs or for its outputs."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from research.interop.options import Config
from research.interop.targets import PREFIX, beside, endings, matches, modules
from research.methods.ia3 import IA3
from research.methods.method import Leaves
from research.methods.shared.leaves import added_to
from research.models.backbone import shapes as shapes_of
from research.models.checkpoint.weights import Shapes
from research.models.model import Model

Arrays = Mapping[str, np.ndarray]


def wanted(
    config: Config, stored: Collection[str], model: Model, shapes: Shapes
) -> dict[str, tuple[int, ...]]:
    """The names and shapes that the tensors must have: [1, D_in] for inputs, [D_out, 1] else.

    Raises InputError for invalid options, and for options that pick no layer.
    """
    expected: dict[str, tuple[int, ...]] = {}
    for module, path in beside(config, stored, model, shapes, lambda module: [_name(module)]):
        width_in, width_out = shapes[f"{path}/kernel"]
        inputs = matches(config, "feedforward_modules", module)
        expected[_name(module)] = (1, width_in) if inputs else (width_out, 1)
    return expected


def read(config: Config, arrays: Arrays, model: Model, shapes: Shapes) -> tuple[IA3, Leaves]:
    """The method and its leaves, of tensors as `wanted` has them."""
    leaves: Leaves = {}
    for module, path in modules(model, shapes, arrays):
        if (vector := arrays.get(_name(module))) is None:
            continue
        if matches(config, "feedforward_modules", module):
            leaves[f"ia3:{path}/inputs"] = vector[0]
        else:
            leaves[f"ia3:{path}/outputs"] = _of_keys(path, vector[:, 0], shapes)
    return IA3(), leaves


def write(method: IA3, leaves: Leaves, model: Model) -> tuple[dict[str, Any], Arrays]:
    """(fields of adapter_config.json, tensors)."""
    arrays, inputs = {}, set()
    keys = {path: model.KEY_MAP.key(f"{path}/kernel") for path in added_to(method, leaves)}
    names = {path: key.module for path, key in keys.items()}
    for path, leaf in added_to(method, leaves).items():
        if "inputs" in leaf:
            arrays[_name(names[path])] = np.asarray(leaf["inputs"])[None]
            inputs.add(names[path])
        else:
            outputs = np.asarray(leaf["outputs"])
            queries = shapes_of(model)[f"{path}/kernel"][1] - len(outputs)
            arrays[_name(names[path])] = np.pad(outputs, (queries, 0), constant_values=1)[:, None]
    fields = {
        "target_modules": endings(set(names.values()), model),
        "feedforward_modules": endings(inputs, model),
        "fan_in_fan_out": not all(key.transposed for key in keys.values()),
    }
    return fields, arrays


def _of_keys(path: str, outputs: np.ndarray, shapes: Shapes) -> np.ndarray:
    """The scales of keys and values, of a layer that makes queries too and does not scale them."""
    queries = shapes[f"{path.removesuffix('qkv')}out/kernel"][0] if path.endswith("/qkv") else 0
    return outputs[queries:] if np.all(outputs[:queries] == 1) else outputs


def _name(module: str) -> str:
    return f"{PREFIX}{module}.ia3_l"
