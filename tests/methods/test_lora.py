"""LoRA's options and DoRA, against plain formulas and the numbers of their papers."""

import math
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError
from research.methods.dora import DoRA
from research.methods.lora import LoRA, RankOf
from research.methods.method import LayerCall
from research.methods.shared.leaves import add, added_to
from tests.tiny import WORDS, decoder

KEY = jax.random.PRNGKey(0)
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 3, 5)).astype(np.float32)
KERNEL = DRAW.normal(size=(5, 4)).astype(np.float32)
BIAS = DRAW.normal(size=4).astype(np.float32)
LEAF = {
    "a": DRAW.normal(size=(5, 2)).astype(np.float32),
    "b": DRAW.normal(size=(2, 4)).astype(np.float32),
    "magnitude": DRAW.uniform(0.5, 2.0, 4).astype(np.float32),
}


def site(kernel=KERNEL) -> LayerCall:
    return LayerCall(lambda x: x @ kernel + BIAS[None, None], kernel, None)


def added(method) -> dict[str, dict[str, jax.Array]]:
    _, params = decoder()
    return added_to(method, add(method, KEY, params, WORDS))


@pytest.mark.parametrize(("stabilised", "scale"), [(False, 6 / 2), (True, 6 / math.sqrt(2))])
def test_scale(stabilised, scale):
    method = LoRA(rank=2, alpha=6.0, stabilised=stabilised)
    expected = X @ KERNEL + BIAS + scale * (X @ LEAF["a"] @ LEAF["b"])
    np.testing.assert_allclose(method.layer(LEAF, X, site()), expected, rtol=1e-5, atol=1e-5)


def test_targets_are_patterns_and_ranks_go_by_them():
    ranks = (RankOf("layers_1/attention/query", 5), RankOf("query", 4))
    method = LoRA(rank=2, targets=("query", r"layers_0/mlp/(up|down)"), ranks=ranks)
    found = {path: leaf["a"].shape[1] for path, leaf in added(method).items()}
    assert found == {
        "layers_0/attention/query": 4,
        "layers_1/attention/query": 5,
        "layers_0/mlp/up": 2,
        "layers_0/mlp/down": 2,
    }


def test_a_pattern_fits_whole_names():
    """`down` is not `up_down`, nor `mlp` a layer."""
    with pytest.raises(InputError, match="lora.targets is 'mlp': it fits nothing"):
        added(LoRA(targets=("mlp",)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(targets=("(query",)), r"lora.targets is '\(query': it is no regular expression"),
        (dict(targets=()), r"lora.targets is \(\): at least one pattern"),
        (dict(ranks=(RankOf("gone", 2),)), "lora.ranks is 'gone': it fits nothing"),
        (dict(ranks=(RankOf("query", 0),)), "lora.ranks is 0"),
        (dict(b_rate=0.0), "lora.b_rate is 0.0"),
        (dict(b_rate=math.inf), "lora.b_rate is inf"),
    ],
)
def test_mistakes(changes, message):
    with pytest.raises(InputError, match=message):
        added(LoRA(**changes))


def test_only_b_has_another_rate():
    method = LoRA(b_rate=16.0)
    paths = add(method, KEY, decoder()[1], WORDS)
    rates = {path: method.rate(path) for path in paths}
    assert {path for path, rate in rates.items() if rate == 16.0} == {
        path for path in paths if path.endswith("/b")
    }
    assert {rate for path, rate in rates.items() if path.endswith("/a")} == {None}


def test_dora_is_the_formula_of_the_paper():
    method = DoRA(rank=2, alpha=6.0)
    whole = KERNEL + 3.0 * LEAF["a"] @ LEAF["b"]
    columns = whole / np.linalg.norm(whole, axis=0) * LEAF["magnitude"]
    found = method.layer(LEAF, X, site())
    np.testing.assert_allclose(found, X @ columns + BIAS, rtol=1e-5, atol=1e-5)
    merged = method.merge(LEAF, {"kernel": KERNEL, "bias": BIAS})
    np.testing.assert_allclose(merged["kernel"], columns, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(merged["bias"], BIAS)


def test_the_gradient_does_not_go_through_the_lengths():
    """Section 4.3: with the lengths a constant, that for A is (m / |V|) that of plain LoRA."""
    method, plain = DoRA(rank=2, alpha=6.0), LoRA(rank=2, alpha=6.0)
    weights = DRAW.normal(size=(2, 3, 4)).astype(np.float32)
    lengths = np.linalg.norm(KERNEL + 3.0 * LEAF["a"] @ LEAF["b"], axis=0)
    stretched = weights * LEAF["magnitude"] / lengths

    def slope(method, weights):
        return jax.grad(lambda leaf: (method.layer(leaf, X, site()) * weights).sum())(LEAF)

    found, expected = slope(method, weights), slope(plain, stretched)
    for name in ("a", "b"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-4, atol=1e-4)


def test_dora_starts_with_the_lengths_of_the_columns():
    _, params = decoder()
    for path, leaf in added(DoRA(rank=2, targets=("down",))).items():
        kernel = np.asarray(params[f"{path}/kernel"])
        np.testing.assert_allclose(leaf["magnitude"], np.linalg.norm(kernel, axis=0), rtol=1e-6)
        assert jnp.all(leaf["b"] == 0)


def test_dora_starts_as_the_layer_in_bfloat16_too():
    low = {name: jnp.asarray(array, jnp.bfloat16) for name, array in LEAF.items()}
    kernel = jnp.asarray(KERNEL, jnp.bfloat16)
    low |= {"b": 0 * low["b"], "magnitude": jnp.linalg.norm(KERNEL, axis=0).astype(jnp.bfloat16)}
    x = jnp.asarray(X, jnp.bfloat16)
    found = DoRA(rank=2).layer(low, x, LayerCall(lambda x: x @ kernel, kernel, None))
    assert found.dtype == jnp.bfloat16
    # Rounded once for the kernel, once for the magnitudes, and once for each sum.
    plain = np.asarray(x @ kernel, np.float32)
    np.testing.assert_allclose(
        np.asarray(found, np.float32), plain, rtol=0, atol=2**-6 * np.abs(plain).max()
    )


def test_dropout_changes_what_is_added_and_no_more():
    """With all inputs dropped but for a rounding, LoRA and DoRA are the layer alone."""
    keys = jax.random.split(KEY, 2)
    for method in (LoRA(rank=2, dropout=0.999999), DoRA(rank=2, dropout=0.999999)):
        found = method.layer(LEAF, X, site()._replace(keys=keys))
        np.testing.assert_allclose(found, X @ KERNEL + BIAS, rtol=1e-5, atol=1e-5)
        kept = replace(method, dropout=None).layer(LEAF, X, site()._replace(keys=keys))
        assert np.abs(found - kept).max() > 0.1
