"""IA3: its formula, and where it stands."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.methods.ia3 import IA3
from research.methods.method import LayerCall
from research.methods.shared.leaves import add, added_to
from tests import checkpoints
from tests.tiny import WORDS

KEY = jax.random.PRNGKey(0)
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 3, 6)).astype(np.float32)
KERNEL = DRAW.normal(size=(6, 6)).astype(np.float32)
BIAS = DRAW.normal(size=6).astype(np.float32)
SITE = LayerCall(lambda x: x @ KERNEL + BIAS[None, None], KERNEL, None)
PLAIN = X @ KERNEL + BIAS


def test_it_scales_outputs_of_keys_and_inputs_of_down():
    scales = DRAW.normal(size=6).astype(np.float32)
    found = IA3().layer({"outputs": scales}, X, SITE)
    np.testing.assert_allclose(found, PLAIN * scales, rtol=1e-5, atol=1e-5)
    found = IA3().layer({"inputs": scales}, X, SITE)
    np.testing.assert_allclose(found, (X * scales) @ KERNEL + BIAS, rtol=1e-5, atol=1e-5)


def test_it_leaves_the_queries_of_a_fused_layer_alone():
    scales = DRAW.normal(size=4).astype(np.float32)
    found = IA3().layer({"outputs": scales}, X, SITE)
    np.testing.assert_array_equal(found[..., :2], jnp.asarray(SITE.call(X))[..., :2])
    np.testing.assert_allclose(found[..., 2:], PLAIN[..., 2:] * scales, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "layers"),
    [
        ("qwen3, grouped keys, tied", {"attention/key", "attention/value", "mlp/down"}),
        ("gpt2", {"attention/qkv", "mlp/down"}),
        ("bert", {"attention/key", "attention/value", "mlp/down"}),
        (
            "t5",
            {f"{a}/{b}" for a in ("attention", "cross") for b in ("key", "value")} | {"mlp/down"},
        ),
    ],
)
def test_where_it_stands(variant, layers):
    _, params = checkpoints.drawn(variant)
    added = added_to(IA3(), add(IA3(), KEY, params, WORDS))
    assert {"/".join(path.split("/")[-2:]) for path in added} == layers
    assert all(np.all(vector == 1) for leaf in added.values() for vector in leaf.values())
