"""Prefix tuning in the format of PEFT: keys and values of all layers in one row a position."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from research.common.errors import InputError
from research.interop.options import Config, numeric_option
from research.methods.method import Leaves
from research.methods.prefix import PrefixTuning
from research.methods.shared.leaves import added_to
from research.models.checkpoint.weights import Shapes
from research.models.model import Model
from research.models.t5.encoder import T5Encoder

PREFIX = "base_model."
NAME = "prompt_embeddings"


def wanted(
    config: Config, stored: Collection[str], model: Model, shapes: Shapes
) -> dict[str, tuple[int, ...]]:
    """The name and shape that the tensor must have, [P, N * 2 * G * K], for N layers of theirs.

    Raises InputError for sizes of another model than ours, and for a model that reads no prefix in
    transformers.
    """
    del stored, shapes
    _check_read(model)
    length = numeric_option(config, "num_virtual_tokens")
    layers = numeric_option(config, "num_layers")
    depth, parts = _depth(model), 2 if model.ROUTE == "seq2seq" else 1
    heads, head_width = _key_heads(model), model.config.head_width
    fits = layers >= depth if parts == 2 else layers == depth
    if not fits:
        raise InputError("num_layers", layers, f"the backbone's prefix has {depth} layers")
    for name, value in (
        ("num_attention_heads", heads),
        ("token_dim", heads * head_width),
        ("num_transformer_submodules", parts),
    ):
        if config.get(name) != value:
            raise InputError(name, config.get(name), f"of this backbone it is {value}")
    return {NAME: (length, layers * 2 * heads * head_width)}


def read(
    config: Config, arrays: Mapping[str, np.ndarray], model: Model, shapes: Shapes
) -> tuple[PrefixTuning, Leaves]:
    """The method and its leaves [L, P, G * K]."""
    del shapes
    length, layers = config["num_virtual_tokens"], config["num_layers"]
    both = arrays[NAME].reshape(length, layers, 2, -1).transpose(2, 1, 0, 3)
    chosen = _places(model, layers)
    leaves: Leaves = {"prefix:/keys": both[0][chosen], "prefix:/values": both[1][chosen]}
    return PrefixTuning(length), leaves


def write(
    method: PrefixTuning, leaves: Leaves, model: Model
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(fields of adapter_config.json, tensors).

    Raises InputError for a model that reads no prefix in transformers.
    """
    _check_read(model)
    stored = method.stored(added_to(method, leaves)[""])
    ours = np.stack([np.asarray(stored[name]) for name in ("keys", "values")])
    _, depth, length, width = ours.shape
    # An odd number of layers: T5's are then all distinct, see `_places`.
    layers = depth | 1 if model.ROUTE == "seq2seq" else depth
    both = np.zeros((2, layers, length, width), np.float32)
    both[:, _places(model, layers)] = ours
    fields = {
        "num_virtual_tokens": length,
        "token_dim": width,
        "num_attention_heads": width // model.config.head_width,
        "num_layers": layers,
        "num_transformer_submodules": 2 if model.ROUTE == "seq2seq" else 1,
        "encoder_hidden_size": width,
        "prefix_projection": False,
    }
    return fields, {NAME: both.transpose(2, 1, 0, 3).reshape(length, -1)}


def _check_read(model: Model) -> None:
    if isinstance(model, T5Encoder):
        allowed = "transformers gives T5's encoder no keys and values before its own"
        raise InputError("peft_type", "PREFIX_TUNING", allowed)


def _places(model: Model, layers: int) -> np.ndarray:
    """Which of PEFT's layers each of our layers is [L].

    For an encoder and a decoder PEFT doubles its layers and takes them in pairs, of which
    transformers gives the first of pair i to the self-attention of decoder layer i.
    """
    places = np.arange(_depth(model))
    return 2 * places % layers if model.ROUTE == "seq2seq" else places


def _depth(model: Model) -> int:
    return getattr(model.config, "decoder_layers", model.config.layers)


def _key_heads(model: Model) -> int:
    return getattr(model.config, "kv_heads", model.config.heads)
