"""Bottleneck adapters: their formula, and where they stand."""

import jax
import numpy as np
import pytest
from scipy.special import erf

from research.common.errors import InputError
from research.methods.bottleneck import Bottleneck
from research.methods.method import LayerCall
from research.methods.shared.leaves import add, added_to, mask
from tests import checkpoints
from tests.tiny import WORDS, decoder

KEY = jax.random.PRNGKey(0)
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 3, 6)).astype(np.float32)
KERNEL = DRAW.normal(size=(6, 6)).astype(np.float32)
BIAS = DRAW.normal(size=6).astype(np.float32)
SITE = LayerCall(lambda x: x @ KERNEL + BIAS[None, None], KERNEL, None)
PLAIN = X @ KERNEL + BIAS


def test_the_formula_of_an_adapter():
    draw = np.random.default_rng(1)
    shapes = {"down": (6, 2), "down_bias": (2,), "up": (2, 6), "up_bias": (6,)}
    leaf = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    inner = PLAIN @ leaf["down"] + leaf["down_bias"]
    inner = 0.5 * inner * (1 + erf(inner / np.sqrt(2)))
    expected = PLAIN + inner @ leaf["up"] + leaf["up_bias"]
    found = Bottleneck(2).layer(leaf, X, SITE)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("form", "layers", "norms"),
    [("houlsby", {"attention/out", "cross/out", "mlp/down"}, 12), ("pfeiffer", {"mlp/down"}, 0)],
)
def test_where_adapters_stand(form, layers, norms):
    _, params = checkpoints.drawn("t5")
    method = Bottleneck(3, form)
    leaves = params | add(method, KEY, params, WORDS)
    added = added_to(method, leaves)
    assert {"/".join(path.split("/")[-2:]) for path in added} == layers
    for leaf in added.values():
        assert 0 < np.abs(leaf["down"]).max() <= 0.02 and np.all(leaf["up_bias"] == 0)
    moving = [path for path, is_so in mask((method,), leaves).items() if is_so]
    assert len([path for path in moving if path in params]) == norms


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Bottleneck(size=0), "bottleneck.size is 0"),
        (Bottleneck(deviation=-1.0), "bottleneck.deviation is -1.0"),
    ],
)
def test_mistakes(method, message):
    _, params = decoder()
    with pytest.raises(InputError, match=message):
        add(method, KEY, params, WORDS)
