"""A classification head as PEFT keeps it: a module saved as a whole, beside the adapter."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from research.common.errors import InputError
from research.interop.options import Config
from research.methods.method import Leaves
from research.methods.shared.leaves import head_leaves
from research.models.bert.model import EncoderModel
from research.models.checkpoint.key_map import Key
from research.models.checkpoint.tensors import Tensor
from research.models.model import Model

MODULE = "classifier"


def classes(config: Config, stored: Mapping[str, Tensor], model: Model, prefix: str) -> int:
    """Number of classes of the adapter's head; 0: it has no head.

    `prefix` starts the names of the module's tensors. Raises InputError for a backbone that cannot
    carry the head.
    """
    present = any(name.startswith(f"{prefix}{MODULE}.") for name in stored)
    if not present and config.get("task_type") != "SEQ_CLS":
        return 0
    if not isinstance(model, EncoderModel):
        raise InputError("modules_to_save", MODULE, "the backbone carries no classification head")
    if model.config.family == "bert" and not model.config.pooler:
        allowed = "the backbone has no pooler, which the adapter's head reads and does not bring"
        raise InputError("modules_to_save", MODULE, allowed)
    kernel = stored.get(prefix + model.KEY_MAP.key("head:/kernel").tensor)
    # A missing head is reported later, for any number.
    return 1 if kernel is None else kernel.shape[0]


def wanted(model: Model, count: int, prefix: str) -> dict[str, tuple[int, ...]]:
    """The names and shapes that the tensors must have."""
    return {prefix + key.tensor: key.transpose_shape(shape) for key, shape in _keys(model, count)}


def read(arrays: Mapping[str, np.ndarray], model: Model, count: int, prefix: str) -> Leaves:
    """The leaves of a `Head` that pools the first position."""
    keys = (key for key, _ in _keys(model, count))
    return {key.leaf: key.transpose(arrays[prefix + key.tensor]) for key in keys}


def write(method: Any, leaves: Leaves, model: Model, prefix: str) -> dict[str, np.ndarray]:
    """The tensors of a `Head`. Raises InputError for one that no class of transformers has."""
    head = {path: np.asarray(leaf) for path, leaf in head_leaves(leaves).items()}
    keys = _keys(model, len(head["head:/bias"]))
    head_shapes = {path: leaf.shape for path, leaf in head.items()}
    if method.pool != "first" or head_shapes != {key.leaf: shape for key, shape in keys}:
        allowed = (
            "transformers has no such head: BERT's reads the pooler, RoBERTa's has a layer of its "
            "own on the first position"
        )
        raise InputError("head.pool", method.pool, allowed)
    return {prefix + key.tensor: key.transpose(head[key.leaf]) for key, _ in keys}


def _keys(model: Model, count: int) -> list[tuple[Key, tuple[int, ...]]]:
    """Names and shapes of the leaves of a head for `count` classes."""
    shapes = model.with_classes(count).head_shapes() if isinstance(model, EncoderModel) else {}
    return [(model.KEY_MAP.key(path), shape) for path, shape in shapes.items()]
