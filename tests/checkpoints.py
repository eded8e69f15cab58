"""Checkpoints in Hugging Face format, tiny and random, one for every variant of every family.

Their weights are a function of the names and shapes of the tensors, so that PyTorch, our code and
the golden files all speak of the same model and nothing but a config has to be stored.
"""

import json
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from research.models import MODELS
from research.models.backbone import shapes
from research.models.weights import SINGLE, write_weights

LLAMA = dict(
    architectures=["LlamaForCausalLM"],
    model_type="llama",
    vocab_size=61,
    hidden_size=24,
    intermediate_size=40,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=4,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
)
# The fields of each variant's config.json.
VARIANTS: dict[str, dict[str, Any]] = {
    "llama": LLAMA,
    "llama, grouped keys": {**LLAMA, "num_key_value_heads": 2},
    "llama, one key head, tied": {**LLAMA, "num_key_value_heads": 1, "tie_word_embeddings": True},
    "llama, biases": {
        **LLAMA,
        "attention_bias": True,
        "mlp_bias": True,
        "num_key_value_heads": 2,
    },
    "llama, wide heads, other base": {
        **LLAMA,
        "head_dim": 10,
        "rms_norm_eps": 1e-3,
        "rope_parameters": {"rope_type": "default", "rope_theta": 300.0},
    },
    "llama, narrow heads": {
        **LLAMA,
        "head_dim": 2,
        "num_key_value_heads": 2,
        "tie_word_embeddings": True,
    },
}


def write(folder: Path, variant: str) -> Path:
    """Writes the variant's checkpoint into `folder`, which is made; returns the folder."""
    fields = VARIANTS[variant]
    model = MODELS[fields["model_type"]].from_hf(fields)
    leaves = {}
    for path, shape in shapes(model).items():
        draw = np.random.default_rng(zlib.crc32(path.encode()))
        # Large enough that attention is far from uniform; norms are about 1.
        leaves[path] = draw.normal(path.endswith("scale"), 0.3, shape).astype(np.float32)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(fields))
    write_weights(folder / SINGLE, model.LAYOUT, leaves, np.float32)
    return folder


def inputs(model) -> dict[str, np.ndarray]:
    """Rows of 24, 13 and 1 tokens: tokens [3, 24], valid [3, 24], and what the family reads too."""
    draw = np.random.default_rng(0)
    size = model.config.vocab_size
    given = {
        "tokens": draw.integers(3, size, (3, 24)).astype(np.int32),
        "valid": np.arange(24)[None] < np.asarray([24, 13, 1])[:, None],
    }
    if model.ROUTE == "seq2seq":  # the decoder's rows have 7, 7 and 3 tokens
        given["target"] = draw.integers(3, size, (3, 7)).astype(np.int32)
        given["target_valid"] = np.arange(7)[None] < np.asarray([7, 7, 3])[:, None]
    if model.ROUTE == "masked":  # two segments, where the model has more than one
        given["types"] = (np.arange(24)[None] >= np.asarray([9, 5, 1])[:, None]).astype(np.int32)
        given["types"] = np.minimum(given["types"], model.config.types - 1)
    return given


@partial(jax.jit, static_argnums=0)
def logits(model, leaves, given) -> jax.Array:
    """[3, 24, V], or [3, 7, V] of a decoder that reads an encoder."""

    def apply(*args, method="__call__"):
        return model.apply({"params": unflatten_dict(leaves, sep="/")}, *args, method=method)

    tokens, valid = given["tokens"], given["valid"]
    positions = jnp.broadcast_to(jnp.arange(tokens.shape[1], dtype=jnp.int32)[None], tokens.shape)
    if model.ROUTE == "causal":
        hidden, _ = apply(tokens, positions, valid)
    elif model.ROUTE == "masked":
        hidden = apply(tokens, positions, valid, given["types"])
    else:
        encoded = apply(tokens, positions, valid, method="encode")
        cross = apply(encoded, positions, valid, method="offered")
        places = jnp.broadcast_to(jnp.arange(7, dtype=jnp.int32)[None], given["target"].shape)
        hidden, _ = apply(given["target"], places, given["target_valid"], (), cross)
    return apply(hidden, method="logits")


def outputs_valid(given) -> np.ndarray:
    """Which of the positions of `logits` are real."""
    return given.get("target_valid", given["valid"])
