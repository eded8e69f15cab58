"""GPT-2: its config, its published sizes, its names in checkpoints, its learned positions."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict
from safetensors.numpy import load_file, save_file

from research.common.errors import InputError
from research.models.backbone import load_backbone, shapes
from research.models.checkpoint.weights import SINGLE
from research.models.gpt2.model import GPT2, GPT2Config
from tests import checkpoints

# A config.json of the hub, without what concerns training and generation.
SMALL = dict(
    model_type="gpt2",
    activation_function="gelu_new",
    attn_pdrop=0.1,
    embd_pdrop=0.1,
    resid_pdrop=0.1,
    layer_norm_epsilon=1e-05,
    n_ctx=1024,
    n_embd=768,
    n_head=12,
    n_layer=12,
    n_positions=1024,
    vocab_size=50257,
)


def test_a_config_of_the_hub():
    expected = GPT2Config(50257, 768, 12, 12, 3072, 1024, "gelu_new", 1e-5, True)
    assert GPT2Config.from_hf(SMALL) == expected
    older = {name: x for name, x in SMALL.items() if name != "n_positions"}
    assert GPT2Config.from_hf(older) == expected
    assert GPT2Config.from_hf({**SMALL, "reorder_and_upcast_attn": True}) == expected


def test_every_field_survives_a_round_trip():
    config = GPT2Config(100, 32, 3, 4, 48, 64, "gelu", 1e-3, False)
    assert GPT2Config.from_hf(config.to_hf()) == config


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("scale_attn_weights", {"scale_attn_weights": False}),
        ("scale_attn_by_inverse_layer_idx", {"scale_attn_by_inverse_layer_idx": True}),
        ("add_cross_attention", {"add_cross_attention": True}),
        ("is_encoder_decoder", {"is_encoder_decoder": True}),
        ("quantization_config", {"quantization_config": {"bits": 4}}),
        ("activation_function", {"activation_function": "gelu_slow"}),
        ("activation_function", {"activation_function": 3}),
        ("vocab_size", {"vocab_size": None}),
        ("n_embd", {"n_embd": "768"}),
        ("n_embd", {"n_embd": 770}),
        ("n_layer", {"n_layer": 0}),
        ("n_head", {"n_head": True}),
        ("n_inner", {"n_inner": -1}),
        ("n_positions", {"n_positions": None, "n_ctx": None}),
        ("layer_norm_epsilon", {"layer_norm_epsilon": float("nan")}),
        ("layer_norm_epsilon", {"layer_norm_epsilon": "1e-5"}),
        ("tie_word_embeddings", {"tie_word_embeddings": "yes"}),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(field, changes):
    with pytest.raises(InputError) as error:
        GPT2.from_hf({**SMALL, **changes})
    assert error.value.field == field


@pytest.mark.parametrize(
    ("width", "layers", "heads", "published"),
    [
        pytest.param(768, 12, 12, 124_439_808, id="gpt2"),
        pytest.param(1024, 24, 16, 354_823_168, id="gpt2-medium"),
        pytest.param(1280, 36, 20, 774_030_080, id="gpt2-large"),
        pytest.param(1600, 48, 25, 1_557_611_200, id="gpt2-xl"),
    ],
)
def test_as_many_parameters_as_the_released_models(width, layers, heads, published):
    """The sizes of the tensors in the hub's checkpoints, buffers aside.

    Radford et al. 2019, table 2, print 117M, 345M, 762M and 1542M, which the authors later
    corrected.
    """
    fields = {**SMALL, "n_embd": width, "n_layer": layers, "n_head": heads}
    assert sum(map(math.prod, shapes(GPT2.from_hf(fields)).values())) == published


@pytest.fixture
def folder(tmp_path):
    return checkpoints.write(tmp_path / "gpt2", "gpt2")


def test_names_of_the_hub_with_buffers_and_without_the_base(folder):
    expected = load_backbone(str(folder)).params
    tensors = {n.removeprefix("transformer."): x for n, x in load_file(folder / SINGLE).items()}
    mask = np.tril(np.ones((1, 1, 32, 32), np.float32))
    tensors |= {f"h.{i}.attn.bias": mask for i in range(2)}
    tensors |= {f"h.{i}.attn.masked_bias": np.full((), -1e4, np.float32) for i in range(2)}
    save_file(tensors, folder / SINGLE)
    found = load_backbone(str(folder)).params
    assert found.keys() == expected.keys()
    for path, leaf in found.items():
        np.testing.assert_array_equal(leaf, expected[path])


@partial(jax.jit, static_argnums=0)
def run(model, params, inputs, positions, valid, memories=()):
    """(logits [B, T, V], memory)."""
    variables = {"params": unflatten_dict(params, sep="/")}
    hidden, memory = model.apply(variables, inputs, positions, valid, memories)
    return model.apply(variables, hidden, method="logits"), memory


def steps(tokens):
    return np.tile(np.arange(tokens.shape[1], dtype=np.int32), (len(tokens), 1))


def test_rows_continued_after_a_memory_equal_the_whole(folder):
    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    tokens, positions, valid = given["tokens"], steps(given["tokens"]), given["valid"]
    whole, _ = run(backbone.model, backbone.params, tokens, positions, valid)
    parts, memories = [], ()
    for cut in (slice(0, 9), slice(9, 12), slice(12, 24)):
        part = (tokens[:, cut], positions[:, cut], valid[:, cut])
        logits, memory = run(backbone.model, backbone.params, *part, memories)
        parts.append(logits)
        memories += (memory,)
    found = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(found[valid], np.asarray(whole)[valid], atol=1e-5, rtol=0)


def test_positions_matter_and_only_where_something_stands(folder):
    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    tokens, positions, valid = given["tokens"], steps(given["tokens"]), given["valid"]
    model = partial(run, backbone.model, backbone.params)
    plain, _ = model(tokens, positions, valid)
    junk, _ = model(tokens, np.where(valid, positions, 10_000), valid)
    np.testing.assert_array_equal(np.asarray(junk)[valid], np.asarray(plain)[valid])
    assert np.isfinite(junk).all()
    shifted, _ = model(tokens, positions + 1, valid)
    assert np.abs(shifted - plain)[valid].max() > 1e-2


def test_a_position_outside_the_table_is_loud(folder):
    backbone = load_backbone(str(folder))
    tokens = checkpoints.inputs(backbone.model)["tokens"]
    last = backbone.context - tokens.shape[1]
    positions = steps(tokens) + np.asarray([[0], [last], [last + 1]], np.int32)
    logits, _ = run(backbone.model, backbone.params, tokens, positions, np.ones_like(tokens, bool))
    assert np.isfinite(logits[:2]).all() and np.isnan(logits[2]).all()


def test_bfloat16_parameters_compute_in_bfloat16_with_float32_logits(folder):
    backbone = load_backbone(str(folder), dtype=jnp.bfloat16)
    exact = {path: leaf.astype(jnp.float32) for path, leaf in backbone.params.items()}
    given = checkpoints.inputs(backbone.model)
    inputs = (given["tokens"], steps(given["tokens"]), given["valid"])
    logits, memory = run(backbone.model, backbone.params, *inputs)
    assert logits.dtype == jnp.float32 and memory.keys[0].dtype == jnp.bfloat16
    expected, _ = run(backbone.model, exact, *inputs)
    np.testing.assert_allclose(logits, expected, atol=0.2, rtol=0.05)
