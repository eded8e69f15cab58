"""Tiny decoders with parameters large enough that attention is far from uniform."""

from collections.abc import Callable, Iterator

import jax
import numpy as np
import pytest

from research.models.backbone import shapes
from research.models.decoder import Decoder, DecoderConfig

TINY = dict(
    vocab_size=23,
    width=16,
    layers=2,
    heads=4,
    kv_heads=2,
    head_width=6,
    hidden=24,
    context=32,
    tied=True,
)


@pytest.fixture(autouse=True, scope="package")
def compile_quickly() -> Iterator[None]:
    """Compiling takes longer than running here."""
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture(scope="session")
def make() -> Callable[..., tuple[Decoder, dict[str, jax.Array]]]:
    """`make(**config changes)` gives a tiny decoder and its parameters."""

    def decoder(**changes):
        model = Decoder(DecoderConfig(**{**TINY, **changes}))
        draw = np.random.default_rng(0)
        params = {}
        for path, shape in sorted(shapes(model).items()):
            noise = draw.normal(size=shape).astype(np.float32) * 0.3
            params[path] = jax.numpy.asarray(1 + noise if path.endswith("scale") else noise)
        return model, params

    return decoder
