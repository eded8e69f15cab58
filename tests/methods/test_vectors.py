"""IA3, norms, chosen leaves and bottleneck adapters: formulas, and the counts of their papers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from research.errors import InputError
from research.methods.bottleneck import Bottleneck
from research.methods.ia3 import IA3
from research.methods.method import Site, add, added_to, mask
from research.methods.norms import Norms
from research.methods.selected import Selected
from research.models import MODELS
from research.models.backbone import shapes
from tests import checkpoints
from tests.tiny import WORDS, decoder

KEY = jax.random.PRNGKey(0)
DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(2, 3, 6)).astype(np.float32)
KERNEL = DRAW.normal(size=(6, 6)).astype(np.float32)
BIAS = DRAW.normal(size=6).astype(np.float32)
SITE = Site(lambda x: x @ KERNEL + BIAS[None, None], KERNEL, None)
PLAIN = X @ KERNEL + BIAS

BERT_BASE = dict(hidden_size=768, num_hidden_layers=12, intermediate_size=3072, vocab_size=30522)
# T0 3B is T5 1.1 XL.
T5_XL = dict(
    d_model=2048,
    d_kv=64,
    d_ff=5120,
    num_heads=32,
    num_layers=24,
    num_decoder_layers=24,
    vocab_size=32128,
)


def sizes(variant: str, **changes) -> dict[str, jax.ShapeDtypeStruct]:
    """The leaves of a model of the family of a variant, as shapes."""
    fields = {**checkpoints.VARIANTS[variant], "max_position_embeddings": 512, **changes}
    if variant == "bert":
        fields |= {"architectures": ["BertModel"]}
    found = shapes(MODELS[fields["model_type"]].from_hf(fields))
    return {path: jax.ShapeDtypeStruct(shape, jnp.float32) for path, shape in found.items()}


def trained(method, leaves) -> int:
    """Parameters that train of leaves given as shapes."""
    added = jax.eval_shape(lambda key: add(method, key, leaves, WORDS), KEY)
    whole = {**leaves, **added}
    return sum(whole[path].size for path, is_so in mask((method,), whole).items() if is_so)


def test_ia3_scales_outputs_of_keys_and_inputs_of_down():
    scales = DRAW.normal(size=6).astype(np.float32)
    found = IA3().layer({"outputs": scales}, X, SITE)
    np.testing.assert_allclose(found, PLAIN * scales, rtol=1e-5, atol=1e-5)
    found = IA3().layer({"inputs": scales}, X, SITE)
    np.testing.assert_allclose(found, (X * scales) @ KERNEL + BIAS, rtol=1e-5, atol=1e-5)


def test_ia3_leaves_the_queries_of_a_fused_layer_alone():
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
def test_where_ia3_stands(variant, layers):
    _, params = checkpoints.drawn(variant)
    added = added_to(IA3(), add(IA3(), KEY, params, WORDS))
    assert {"/".join(path.split("/")[-2:]) for path in added} == layers
    assert all(np.all(vector == 1) for leaf in added.values() for vector in leaf.values())


def test_ia3_on_t0_3b():
    """Liu et al. 2022 (arXiv 2205.05638), table 4: 540K; LayerNorm there has 250K."""
    leaves = sizes("t5 1.1", **T5_XL)
    assert trained(IA3(), leaves) == 24 * (2 * 2048 + 5120) + 24 * (4 * 2048 + 5120) == 540_672
    assert trained(Norms(), leaves) == (24 * 2 + 1 + 24 * 3 + 1) * 2048 == 249_856


def test_norms_and_adapters_on_bert_base():
    """Houlsby et al. 2019 (arXiv 1902.00751), figure 4: 40k norms, adapters of 64 about 2M."""
    leaves = sizes("bert", **BERT_BASE, num_attention_heads=12)
    norms = (12 * 2 + 1) * 2 * 768
    assert trained(Norms(), leaves) == norms == 38_400
    one = 2 * 64 * 768 + 64 + 768
    assert trained(Bottleneck(), leaves) == 24 * one + norms == 2_417_664


def test_one_adapter_a_layer():
    """He et al. 2022 (arXiv 2110.04366), table 6: size 600 is 7.2 % of BART large, which has 24
    layers of width 1024 and 406M parameters. T5 large has its layers.
    """
    wide = dict(d_model=1024, d_ff=4096, num_heads=16, num_layers=24, d_kv=64, vocab_size=32128)
    added = trained(Bottleneck(600, "pfeiffer"), sizes("t5", **wide)) // 2
    assert added == 24 * (2 * 1024 * 600 + 600 + 1024)
    assert int(1000 * added / 406e6) / 10 == 7.2


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


def test_norms_of_heads_train_and_that_of_a_masked_head_does_not():
    for variant, own in (("qwen3, grouped keys, tied", "key_norm"), ("bert", "embed_norm")):
        _, params = checkpoints.drawn(variant)
        chosen = {path for path, is_so in mask((Norms(),), params).items() if is_so}
        assert chosen == {p for p in params if "_norm/" in p}
        assert any(own in path for path in chosen)


def test_selected_leaves():
    _, params = decoder()
    chosen = mask((Selected((r"layers_1/attention/.*", "embed/embedding")),), params)
    names = {"query", "key", "value", "out"}
    assert {path for path, is_so in chosen.items() if is_so} == {
        "embed/embedding",
        *(f"layers_1/attention/{name}/kernel" for name in names),
    }


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Selected(()), r"selected.leaves is \(\): at least one pattern"),
        (Selected(("gone",)), "selected.leaves is 'gone': it fits nothing"),
        (Selected(("*",)), "selected.leaves is .*: it is no regular expression"),
        (Bottleneck(size=0), "bottleneck.size is 0"),
        (Bottleneck(deviation=-1.0), "bottleneck.deviation is -1.0"),
    ],
)
def test_mistakes(method, message):
    _, params = decoder()
    with pytest.raises(InputError, match=message):
        mask((method,), params | add(method, KEY, params, WORDS))
