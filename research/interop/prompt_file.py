"""Soft prompts as single `.npy` files, as github.com/google-research/prompt-tuning has them."""

from pathlib import Path

import jax.numpy as jnp

from research.common.errors import InputError
from research.methods.method import Leaves
from research.methods.shared.prompt_file import read_npy
from research.methods.soft_prompt import SoftPrompt


def load_prompt(file: str | Path, params: Leaves) -> tuple[tuple[SoftPrompt], Leaves]:
    """(methods, the float32 leaf that they add to `params`) of a soft prompt [P, D] in a file.

    Raises InputError for a file that holds no array of numbers, or objects, which are pickled, and
    for a prompt of another width than the backbone's embeddings.
    """
    prompt = read_npy(Path(file), "prompt")
    width = params["embed/embedding"].shape[1]
    if len(prompt) < 1 or prompt.shape[1] != width:
        allowed = f"it has the shape {prompt.shape}, the backbone embeds in {width} dimensions"
        raise InputError("prompt", str(file), allowed)
    return (SoftPrompt(len(prompt)),), {"soft_prompt:/prompt": jnp.asarray(prompt)}
