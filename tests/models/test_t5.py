"""T5: its leaves and their number, and memories in the encoder and the decoder."""

import math
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.models.backbone import shapes
from research.models.t5.model import T5, GatedT5
from tests.thorough import cases

SIZES = dict(vocab_size=23, d_model=12, d_kv=4, d_ff=20, num_layers=2, num_heads=2)
V11 = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
FEW = {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 6}
TOKENS = np.random.default_rng(3).integers(0, 23, (4, 7)).astype(np.int32)
TARGET = np.random.default_rng(4).integers(0, 23, (4, 5)).astype(np.int32)


def t5(**fields):
    """(model, variables large enough that attention is far from uniform)."""
    model = T5.from_hf({**SIZES, **FEW, **fields})
    draw = np.random.default_rng(0)
    leaves = {
        path: jnp.asarray(draw.normal(path.endswith("scale"), 0.4, shape), jnp.float32)
        for path, shape in sorted(shapes(model).items())
    }
    return model, {"params": unflatten_dict(leaves, sep="/")}


def steps(length, start=0, rows=1):
    """Positions [rows, length] from `start` on."""
    return np.tile(np.arange(start, start + length, dtype=np.int32), (rows, 1))


def everything(tokens):
    return np.ones(tokens.shape, bool)


@partial(jax.jit, static_argnums=0)
def encoded(model, variables, tokens, positions, valid):
    """What the decoder's cross-attention reads."""
    hidden = model.apply(variables, tokens, positions, valid, method="encode")
    return model.apply(variables, hidden, positions, valid, method="cross_memories")


@partial(jax.jit, static_argnums=0)
def decoded(model, variables, *args):
    """(hidden [B, T, D], memory)."""
    return model.apply(variables, *args)


@partial(jax.jit, static_argnums=0)
def encoder(model, variables, tokens, positions, valid, memories=()):
    """(hidden [B, S, D], memory), of which `encode` gives the first."""
    bound = model.bind(variables)
    return bound.encoder(bound.embed(tokens), positions, valid, memories)


@pytest.fixture(scope="module")
def tiny():
    return t5(**V11, num_layers=1, num_decoder_layers=2)


def test_leaves_have_the_names_that_methods_rely_on():
    model = T5.from_hf({**SIZES, **V11, "num_decoder_layers": 1})
    leaves = shapes(model)
    dense = {f"attention/{n}" for n in ("query", "key", "value", "out")}
    mlp = {f"mlp/{n}" for n in ("gate", "up", "down")}
    cross = {f"cross/{n}" for n in ("query", "key", "value", "out")}
    norms = {"attention_norm/scale", "mlp_norm/scale"}
    layer = {f"{n}/kernel" for n in dense | mlp} | norms
    expected = {f"encoder/layers_{i}/{leaf}" for i in range(2) for leaf in layer}
    layer |= {f"{n}/kernel" for n in cross} | {"cross_norm/scale"}
    expected |= {f"decoder/layers_0/{leaf}" for leaf in layer}
    for stack in ("encoder", "decoder"):
        expected |= {f"{stack}/positions/embedding", f"{stack}/final_norm/scale"}
    assert leaves.keys() == expected | {"embed/embedding", "head/kernel"}
    assert leaves["encoder/positions/embedding"] == (32, 2)
    assert leaves["decoder/layers_0/cross/out/kernel"] == (8, 12)
    assert isinstance(model, GatedT5)
    plain = T5.from_hf(SIZES)
    assert not isinstance(plain, GatedT5)
    assert "encoder/layers_0/mlp/gate/kernel" not in shapes(plain)


# (d_model, d_ff, layers, heads) of t5-v1_1-{small,base,large,xl,xxl}, and what Lester et al. 2021
# (arXiv 2104.08691), table 4, count for a prompt of one token, less that token.
PUBLISHED_V11 = [
    ((512, 1024, 8, 6), 76_961_664 - 512),
    ((768, 2048, 12, 12), 247_578_624 - 768),
    ((1024, 2816, 24, 16), 783_151_104 - 1024),
    ((2048, 5120, 24, 32), 2_849_759_232 - 2048),
    ((4096, 10240, 24, 64), 11_135_336_448 - 4096),
]
# The same of t5-{small,base}, which have 60 and 220 million (Raffel et al. 2020, section 3.7).
PUBLISHED_V10 = [((512, 2048, 6, 8), 60_506_624), ((768, 3072, 12, 12), 222_903_552)]


@pytest.mark.parametrize(
    ("fields", "sizes", "expected"),
    [(V11, *row) for row in PUBLISHED_V11] + [({}, *row) for row in PUBLISHED_V10],
)
def test_published_parameter_counts(fields, sizes, expected):
    names = ("d_model", "d_ff", "num_layers", "num_heads")
    model = T5.from_hf(
        {"vocab_size": 32128, "d_kv": 64, **dict(zip(names, sizes, strict=True)), **fields}
    )
    assert sum(map(math.prod, shapes(model).values())) == expected


def test_only_distances_matter_and_one_row_of_positions_serves_all(tiny):
    valid = np.arange(7)[None] < np.asarray([7, 3, 1, 5])[:, None]
    one, all_rows = steps(7), steps(7, start=9, rows=4)
    expected = encoded(*tiny, TOKENS, all_rows, valid)
    found = encoded(*tiny, TOKENS, one, valid)
    np.testing.assert_allclose(found.keys[1], expected.keys[1], atol=1e-5, rtol=0)
    assert found.positions.shape == (4, 7)
    targets = (everything(TARGET), (), found)
    ours, memory = decoded(*tiny, TARGET, steps(5), *targets)
    theirs, _ = decoded(*tiny, TARGET, steps(5, rows=4, start=2), *targets)
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)
    assert memory.positions.shape == (4, 5)
    apart, _ = decoded(*tiny, TARGET, steps(5) * 2, *targets)
    assert np.abs(apart - ours).max() > 1e-2


@pytest.mark.parametrize("rows", cases([1, 2, 4], quick=()))
def test_an_encoder_reads_memories_on_both_sides(rows):
    """In one layer, whose keys and values depend on nothing but the inputs."""
    model, variables = t5(num_layers=1)
    before = np.repeat(TOKENS[:rows, :3], 4 // rows, axis=0)
    whole = np.concatenate([before, TOKENS[:, :4]], axis=1)
    valid = np.ones((4, 7), bool)
    valid[:, 1] = False
    # The inputs stand in the middle: two of the memory's positions come before, one after.
    places = np.asarray([[0, 1, 6, 2, 3, 4, 5]], np.int32)
    opening = (before[:: 4 // rows], np.repeat(places[:, :3], rows, axis=0), valid[:rows, :3])
    _, memory = encoder(model, variables, *opening)
    assert memory.keys[0].shape[0] == rows
    expected = encoder(model, variables, whole, places, valid)[0][:, 3:]
    for positions in (places[:, 3:], np.repeat(places[:, 3:], 4, axis=0)):
        rest = (TOKENS[:, :4], positions, valid[:, 3:])
        found, _ = encoder(model, variables, *rest, (memory,))
        np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("rows", cases([1, 2], quick=()))
def test_a_decoder_reads_memories_that_groups_of_rows_share(tiny, rows):
    valid = np.ones((rows, 3), bool)
    valid[:, 1] = False
    cross = encoded(*tiny, TOKENS[:rows], steps(7), everything(TOKENS[:rows]))
    places = np.asarray([[0, 1, 2], [2, 0, 1]], np.int32)[:rows]
    _, memory = decoded(*tiny, TARGET[:rows, :3], places, valid, (), cross)
    repeated = jax.tree.map(lambda x: np.repeat(x, 4 // rows, axis=0), memory)
    wide = jax.tree.map(lambda x: np.repeat(x, 4 // rows, axis=0), cross)
    rest = (TARGET[:, 3:], steps(2, 3, rows=4), np.ones((4, 2), bool))
    expected, _ = decoded(*tiny, *rest, (repeated,), wide)
    for positions in (steps(2, 3), rest[1]):
        shared, _ = decoded(*tiny, rest[0], positions, rest[2], (memory,), cross)
        np.testing.assert_allclose(shared, expected, atol=1e-5, rtol=0)
    alone, _ = decoded(*tiny, *rest, (), cross)
    assert np.abs(alone - expected).max() > 1e-2


def test_embeddings_may_be_handed_in_for_tokens(tiny):
    model, variables = tiny
    embedded = model.apply(variables, TOKENS, method="embed")
    given = (steps(7), everything(TOKENS))
    expected, found = encoded(*tiny, TOKENS, *given), encoded(*tiny, embedded, *given)
    jax.tree.map(partial(np.testing.assert_allclose, atol=1e-5, rtol=0), found, expected)
    words = model.apply(variables, TARGET, method="embed")
    given = (steps(5), everything(TARGET), (), expected)
    ours, theirs = decoded(*tiny, words, *given)[0], decoded(*tiny, TARGET, *given)[0]
    np.testing.assert_allclose(ours, theirs, atol=1e-5, rtol=0)


def test_a_decoder_without_an_encoded_prompt_is_refused(tiny):
    model, variables = tiny
    with pytest.raises(ValueError, match="cross"):
        model.apply(variables, TARGET, steps(5), everything(TARGET))


def test_a_scaled_head_divides_by_the_root_of_the_width():
    model, variables = t5()
    hidden = np.random.default_rng(0).normal(size=(2, 12)).astype(np.float32)
    table = np.asarray(variables["params"]["embed"]["embedding"])
    found = model.apply(variables, hidden, method="logits")
    np.testing.assert_allclose(found, hidden @ table.T / 12**0.5, atol=1e-5, rtol=0)


def test_a_scaled_model_with_an_output_layer_of_its_own_has_the_scale_in_it():
    """transformers 4 scales where the config ties, and nowhere else."""
    model, variables = t5()
    draw = np.random.default_rng(0)
    hidden = draw.normal(size=(2, 12)).astype(np.float32)
    head = draw.normal(size=(12, 23)).astype(np.float32)
    leaves = {"params": {**variables["params"], "head": {"kernel": head}}}
    expected = model.apply(leaves, hidden, method="logits")
    np.testing.assert_allclose(expected, hidden @ head / 12**0.5, atol=1e-5, rtol=0)
    apart, stored = model.untied({"head/kernel": head})
    assert not apart.config.scaled and not apart.config.tied
    variables = {"params": {**variables["params"], "head": {"kernel": stored["head/kernel"]}}}
    found = apart.apply(variables, hidden, method="logits")
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


def test_every_kernel_is_seen_by_its_path(tiny):
    model, variables = tiny
    seen = set()

    def intercept(call, args, kwargs, context):
        seen.add("/".join(context.module.path))
        return call(*args, **kwargs)

    def forward():
        given = (steps(7), everything(TOKENS))
        hidden = model.apply(variables, TOKENS, *given, method="encode")
        cross = model.apply(variables, hidden, *given, method="cross_memories")
        hidden, _ = model.apply(variables, TARGET, steps(5), everything(TARGET), (), cross)
        return model.apply(variables, hidden, method="logits")

    with nn.intercept_methods(intercept):
        jax.eval_shape(forward)
    kernels = {p.removesuffix("/kernel") for p in shapes(model) if p.endswith("/kernel")}
    assert kernels and kernels <= seen
