"""Relatives of LoRA, layer by layer, against plain formulas in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError
from research.methods.adalora import AdaLoRA
from research.methods.lora import LoRA
from research.methods.lora_fa import LoRAFA
from research.methods.method import LayerCall, Method
from research.methods.shared.leaves import add, added_to, added_to_layers, mask
from research.methods.vera import VeRA
from tests.tiny import WORDS, decoder

KEY = jax.random.PRNGKey(0)
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 3, 5)).astype(np.float32)
KERNEL = DRAW.normal(size=(5, 4)).astype(np.float32)
SITE = LayerCall(lambda x: x @ KERNEL, jnp.asarray(KERNEL), None)


def drawn(**shapes):
    return {name: DRAW.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def vera_row(x, leaf):
    """Equation 2 of Kopiczko et al., one number after the other."""
    a, b = leaf["matrix_a"].astype(float), leaf["matrix_b"].astype(float)
    inner = [leaf["d"][r] * sum(x[i] * a[i, r] for i in range(5)) for r in range(2)]
    return [leaf["b"][o] * sum(inner[r] * b[r, o] for r in range(2)) for o in range(4)]


def adalora_row(x, leaf):
    """Equation 3 of Zhang et al., one singular value after the other."""
    p, q = leaf["p"].astype(float), leaf["q"].astype(float)
    each = [leaf["values"][r] * (x @ p[:, r]) * q[r] for r in range(2)]
    return (6.0 / 2) * sum(each)


def pissa_row(x, leaf):
    """The update of the residual kernel, W - s A_0 B_0 + s A B, without W."""
    a, b = leaf["a"].astype(float), leaf["b"].astype(float)
    return (6.0 / 2) * x @ (a @ b - leaf["start_a"].astype(float) @ leaf["start_b"])


FORMULAS = {
    # The matrices are larger than the layer, as where another layer is wider.
    "vera": (VeRA(rank=2), drawn(matrix_a=(7, 2), matrix_b=(2, 6), d=2, b=4), vera_row),
    "adalora": (AdaLoRA(rank=2, alpha=6.0), drawn(p=(5, 2), values=2, q=(2, 4)), adalora_row),
    "pissa": (
        LoRA(rank=2, alpha=6.0, start="pissa"),
        drawn(a=(5, 2), b=(2, 4), start_a=(5, 2), start_b=(2, 4)),
        pissa_row,
    ),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_the_layer_and_the_merged_kernel_are_the_formula_of_the_paper(name):
    method, leaf, row = FORMULAS[name]
    expected = X @ KERNEL + np.array([[row(x, leaf) for x in rows] for rows in X.astype(float)])
    np.testing.assert_allclose(method.layer(leaf, X, SITE), expected, rtol=1e-4, atol=1e-4)
    merged = method.merge(leaf, {"kernel": jnp.asarray(KERNEL)})
    assert merged is not None
    np.testing.assert_allclose(X @ merged["kernel"], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FORMULAS)
def test_a_padded_adapter_is_the_same_adapter(name):
    method, leaf, _ = FORMULAS[name]
    larger = {
        n: tuple(3 if size == 2 else size for size in array.shape) for n, array in leaf.items()
    }
    wide = method.pad_for_serving(leaf, larger)
    assert wide is not None and {n: x.shape for n, x in wide.items()} == larger
    expected = method.layer(leaf, X, SITE)
    np.testing.assert_allclose(method.layer(wide, X, SITE), expected, rtol=1e-5, atol=1e-5)


def test_the_penalty_of_adalora_is_the_distance_from_orthogonal_factors():
    leaf = FORMULAS["adalora"][1]
    p, q = leaf["p"].astype(float), leaf["q"].astype(float)
    each = sum(
        (gram[i, j] - (i == j)) ** 2
        for gram in (p.T @ p, q @ q.T)
        for i in range(2)
        for j in range(2)
    )
    found = AdaLoRA(rank=2, orthogonality=0.25).penalty({"x": leaf, "y": leaf})
    np.testing.assert_allclose(found, 0.25 * 2 * each, rtol=1e-5)
    turn = np.linalg.qr(DRAW.normal(size=(5, 2)))[0]
    orthogonal = {"p": turn, "q": turn.T, "values": np.ones(2)}
    assert AdaLoRA(rank=2).penalty({"x": orthogonal}) < 1e-10


def test_pissa_starts_from_the_largest_singular_values():
    method = LoRA(rank=2, alpha=6.0, start="pissa", targets=("down",))
    _, params = decoder()
    for path, leaf in added_to(method, add(method, KEY, params, WORDS)).items():
        kernel = np.asarray(params[f"{path}/kernel"], np.float64)
        left, values, right = np.linalg.svd(kernel, full_matrices=False)
        expected = (left[:, :2] * values[:2]) @ right[:2]
        np.testing.assert_allclose(3.0 * leaf["a"] @ leaf["b"], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_array_equal(leaf["a"], leaf["start_a"])
        np.testing.assert_array_equal(leaf["b"], leaf["start_b"])
        # Equation 2: the root of each singular value stands in either factor.
        roots = np.sqrt(values[:2] / 3.0)
        np.testing.assert_allclose(np.linalg.norm(leaf["a"], axis=0), roots, rtol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(leaf["b"], axis=1), roots, rtol=1e-4)


def test_pissa_starts_as_the_backbone_to_the_bit():
    method = LoRA(rank=2, alpha=6.0, start="pissa")
    leaf = FORMULAS["pissa"][1]
    start = {**leaf, "start_a": leaf["a"], "start_b": leaf["b"]}
    np.testing.assert_array_equal(method.layer(start, X, SITE), SITE.call(X))


@pytest.mark.parametrize("method", [VeRA(rank=2), AdaLoRA(rank=2), LoRAFA(rank=2)])
def test_step_0_is_the_layer(method: Method):
    _, params = decoder(layers=1)
    for path, leaf in added_to_layers(method, add(method, KEY, params, WORDS)).items():
        kernel = jnp.asarray(params[f"{path}/kernel"])
        x = DRAW.normal(size=(1, 2, len(kernel))).astype(np.float32)
        site = LayerCall(lambda x, kernel=kernel: x @ kernel, kernel, None)
        np.testing.assert_array_equal(method.layer(leaf, x, site), x @ kernel)


def test_vera_draws_one_pair_of_matrices_whatever_the_seed_of_the_run():
    _, params = decoder()
    method = VeRA(rank=3, targets=("query", "down"))
    found = [added_to(method, add(method, jax.random.PRNGKey(s), params, WORDS)) for s in (0, 1)]
    for name, width in (("matrix_a", 24), ("matrix_b", 24)):
        np.testing.assert_array_equal(found[0][""][name], found[1][""][name])
        assert width in found[0][""][name].shape  # of the widest layer
    a = np.asarray(VeRA(rank=400).redrawn(params)[""]["matrix_a"])
    assert abs(a.std() - (2 / 16) ** 0.5) < 0.01 and np.abs(a).max() <= (6 / 16) ** 0.5


MISTAKES = {
    "vera.rank": VeRA(rank=0),
    "vera.initial": VeRA(initial=0.0),
    "vera.dropout": VeRA(dropout=1.0),
    "vera.projection_seed": VeRA(projection_seed=-1),
    "vera.targets": VeRA(targets=("gone",)),
    "adalora.rank": AdaLoRA(rank=0),
    "adalora.alpha": AdaLoRA(alpha=0.0),
    "adalora.dropout": AdaLoRA(dropout=-0.1),
    "adalora.orthogonality": AdaLoRA(orthogonality=-1.0),
    "adalora.targets": AdaLoRA(targets=()),
    "lora_fa.alpha": LoRAFA(alpha=0.0),
    "lora.rank": LoRA(rank=17, start="pissa"),
}


@pytest.mark.parametrize("field", MISTAKES)
def test_mistakes(field):
    with pytest.raises(InputError, match=f"^{field} is"):
        add(MISTAKES[field], KEY, decoder()[1], WORDS)


@pytest.mark.parametrize("name", ["vera", "adalora"])
def test_what_trains(name):
    method = {"vera": VeRA(rank=2), "adalora": AdaLoRA(rank=2)}[name]
    leaves = add(method, KEY, decoder()[1], WORDS)
    names = {path.rpartition("/")[2] for path, trains in mask((method,), leaves).items() if trains}
    assert names == ({"d", "b"} if name == "vera" else {"p", "values", "q"})
