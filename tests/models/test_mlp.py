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
