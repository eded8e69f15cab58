"""The exact GELU against scipy's normal distribution in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from research.models.layers.mlp import ACTIVATIONS


@pytest.mark.parametrize("dtype, close", [(jnp.float32, 5e-7), (jnp.bfloat16, 2.0**-8)])
def test_gelu_and_its_slope_are_those_of_the_normal_distribution(dtype, close):
    x = jnp.linspace(-6, 6, 241).astype(dtype)
    exact = np.asarray(x, np.float64)
    value, slope = jax.jvp(ACTIVATIONS["gelu"], (x,), (jnp.ones_like(x),))
    assert value.dtype == dtype
    np.testing.assert_allclose(
        np.asarray(value, np.float64), exact * norm.cdf(exact), atol=5e-7, rtol=close
    )
    np.testing.assert_allclose(
        np.asarray(slope, np.float64),
        norm.cdf(exact) + exact * norm.pdf(exact),
        atol=1e-6,
        rtol=close,
    )


@pytest.mark.parametrize(
    ("name", "values"),
    [  # at -3, -0.5, 1 and 2, as PyTorch has them
        ("gelu_fast", [-0.0036373925, -0.15428598, 0.841192, 1.9545977]),
        ("gelu_python", [-0.004049694, -0.15426877, 0.8413447, 1.9544997]),
        ("quick_gelu", [-0.0180713, -0.1496116, 0.8457958, 1.9356586]),
        ("swish", [-0.14227762, -0.18877034, 0.7310586, 1.7615942]),
    ],
)
def test_activations_by_other_names(name, values):
    x = jnp.asarray([-3.0, -0.5, 1.0, 2.0])
    np.testing.assert_allclose(ACTIVATIONS[name](x), values, atol=2e-6)
