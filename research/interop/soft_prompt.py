"""A soft prompt in the format of PEFT: one table of embeddings."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from research.common.errors import InputError
from research.interop.options import Config, numeric_option
from research.methods.method import Leaves
from research.methods.soft_prompt import SoftPrompt
from research.models.checkpoint.weights import Shapes
from research.models.model import Model

PREFIX = "base_model."
NAME = "prompt_embeddings"


def wanted(
    config: Config, stored: Collection[str], model: Model, shapes: Shapes
) -> dict[str, tuple[int, ...]]:
    """The name and shape that the tensor must have, [P, D]; see `read` for T5's."""
    del stored
    width = shapes["embed/embedding"][1]
    return {NAME: (numeric_option(config, "num_virtual_tokens") * _parts(config, model), width)}


def read(
    config: Config, arrays: Mapping[str, np.ndarray], model: Model, shapes: Shapes
) -> tuple[SoftPrompt, Leaves]:
    """The method and its leaf. Of what PEFT makes for T5 by default, a prompt for the encoder and
    one for the decoder, it uses the first alone; so do we.
    """
    del model, shapes
    length = config["num_virtual_tokens"]
    return SoftPrompt(length), {"soft_prompt:/prompt": arrays[NAME][:length]}


def write(
    method: SoftPrompt, leaves: Leaves, model: Model
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """(fields of adapter_config.json, tensors)."""
    del method, model
    prompt = np.asarray(leaves["soft_prompt:/prompt"])
    length, width = prompt.shape
    sizes = {"num_virtual_tokens": length, "token_dim": width, "num_transformer_submodules": 1}
    return sizes, {NAME: prompt}


def _parts(config: Config, model: Model) -> int:
    """How many prompts there are."""
    parts = config.get("num_transformer_submodules")
    default, allowed = (2, (1, 2)) if model.ROUTE == "seq2seq" else (1, (1,))
    if (parts or default) not in allowed:
        raise InputError("num_transformer_submodules", parts, f"only {allowed} are supported")
    return parts or default
