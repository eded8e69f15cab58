"""The device of this process, and the dtype of its cases."""

import jax

DTYPES = {"cpu": "float32", "gpu": "bfloat16"}


def device() -> str:
    return "gpu" if jax.default_backend() == "gpu" else "cpu"


def dtype() -> str:
    """dtype of frozen weights and operations on this device."""
    return DTYPES[device()]
