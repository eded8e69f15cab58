"""BERT and RoBERTa: what their configs mean, how many parameters they have, what each row sees."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.common.errors import InputError
from research.models import MODELS
from research.models.backbone import random_params, shapes
from research.models.layers.key_value_memory import KeyValueMemory
from tests.checkpoints import BERT, ROBERTA

BASE = dict(
    vocab_size=30522,
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    intermediate_size=3072,
    max_position_embeddings=512,
    type_vocab_size=2,
    layer_norm_eps=1e-12,
    hidden_dropout_prob=0.1,
)
ROBERTA_BASE = {
    **BASE,
    "vocab_size": 50265,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
}
TOKENS = np.random.default_rng(3).integers(3, 61, (4, 7)).astype(np.int32)


def model_of(fields, names=(), **changes):
    return MODELS[fields["model_type"]].from_hf({**fields, **changes}, names)


def steps(length, start=0):
    return np.tile(np.arange(start, start + length, dtype=np.int32), (4, 1))


@partial(jax.jit, static_argnums=0)
def compiled(model, params, *inputs):
    return model.apply({"params": unflatten_dict(params, sep="/")}, *inputs)


def run(model, params, inputs, positions=None, valid=None, types=None, memories=()):
    """Hidden states; by default with positions 0, 1, ... and nothing padded."""
    positions = steps(inputs.shape[1]) if positions is None else positions
    valid = np.ones(inputs.shape[:2], bool) if valid is None else valid
    return np.asarray(compiled(model, params, inputs, positions, valid, types, memories))


@pytest.fixture(scope="module", params=[BERT, ROBERTA], ids=["bert", "roberta"])
def tiny(request):
    """A model and parameters so large that attention is far from uniform."""
    model = model_of(request.param, num_hidden_layers=1, type_vocab_size=2)
    params = random_params(model, jax.random.key(0))
    return model, {path: leaf if "norm" in path else leaf * 15 for path, leaf in params.items()}


# Counted over the checkpoints that Hugging Face publishes: 109,482,240 with the pooler alone. The
# head of a masked LM adds D^2 + D, a norm and a bias of V.
@pytest.mark.parametrize(
    ("kind", "architecture", "fields", "count"),
    [
        ("bert", "BertModel", BASE, 109_482_240),
        ("bert", "BertForMaskedLM", BASE, 109_514_298),
        ("bert", "BertForSequenceClassification", BASE, 109_483_778),
        ("roberta", "RobertaModel", ROBERTA_BASE, 124_645_632),
        ("roberta", "RobertaForMaskedLM", ROBERTA_BASE, 124_697_433),
        ("roberta", "RobertaForSequenceClassification", ROBERTA_BASE, 124_647_170),
    ],
)
def test_base_models_have_as_many_parameters_as_published(kind, architecture, fields, count):
    model = model_of({**fields, "model_type": kind, "architectures": [architecture]})
    found = {**shapes(model), **model.head_shapes()}
    assert sum(map(math.prod, found.values())) == count
    assert model.config.context == 512
    assert found["positions/embedding"] == (fields["max_position_embeddings"], 768)


def test_leaves_have_the_names_that_methods_rely_on():
    model = model_of(BERT, num_hidden_layers=1, architectures=["BertForPreTraining"])
    dense = [f"layers_0/attention/{n}" for n in ("query", "key", "value", "out")]
    dense += ["layers_0/mlp/up", "layers_0/mlp/down", "pooler", "head/dense"]
    norms = ["embed_norm", "layers_0/attention_norm", "layers_0/mlp_norm", "head/norm"]
    expected = {f"{n}/{leaf}" for n in dense for leaf in ("kernel", "bias")}
    expected |= {f"{n}/{leaf}" for n in norms for leaf in ("scale", "bias")}
    expected |= {f"{n}/embedding" for n in ("embed", "positions", "types")} | {"head/bias"}
    found = shapes(model)
    assert found.keys() == expected
    assert found["layers_0/mlp/up/kernel"] == (24, 40) and found["head/bias"] == (61,)


@pytest.mark.parametrize(
    ("fields", "names", "expected"),
    [
        (BERT, (), (True, False, 0)),
        (BERT, ["embeddings.word_embeddings.weight"], (False, False, 0)),
        (BERT, ["embeddings.word_embeddings.weight", "pooler.dense.weight"], (False, True, 0)),
        (BERT, ["cls.predictions.transform.dense.weight"], (True, False, 0)),
        (BERT, ["bert.pooler.dense.weight", "classifier.weight"], (False, True, 2)),
        (ROBERTA, (), (True, False, 0)),
        (ROBERTA, ["roberta.pooler.dense.weight"], (False, True, 0)),
        (ROBERTA, ["lm_head.dense.weight", "roberta.pooler.dense.weight"], (True, True, 0)),
        (ROBERTA, ["classifier.out_proj.weight"], (False, False, 2)),
    ],
)
def test_the_tensors_of_a_checkpoint_tell_what_it_has(fields, names, expected):
    config = model_of(fields, names).config
    assert (config.masked_lm, config.pooler, config.classes) == expected


@pytest.mark.parametrize(
    ("kind", "parts", "classes"),
    [
        ("BertModel", (False, True), 0),
        ("BertForPreTraining", (True, True), 0),
        ("BertForSequenceClassification", (False, True), 3),
        ("RobertaForSequenceClassification", (False, False), 3),
        (None, (False, True), 0),
    ],
)
def test_without_names_the_architecture_tells(kind, parts, classes):
    fields = ROBERTA if kind and kind.startswith("Roberta") else BERT
    labels = {"0": "bad", "1": "fair", "2": "good"}
    config = model_of(fields, architectures=kind and [kind], id2label=labels).config
    assert (config.masked_lm, config.pooler) == parts and config.classes == classes


@pytest.mark.parametrize(
    "fields",
    [
        BERT,
        {**BERT, "architectures": ["BertModel"], "hidden_act": "relu", "layer_norm_eps": 1e-3},
        {**BERT, "architectures": ["BertForSequenceClassification"], "num_labels": 5},
        ROBERTA,
        {**ROBERTA, "pad_token_id": 4, "hidden_act": "gelu_new", "type_vocab_size": 3},
        {**ROBERTA, "architectures": ["RobertaForSequenceClassification"], "num_labels": 1},
    ],
)
def test_every_field_survives_a_round_trip(fields):
    model = model_of(fields)
    assert model_of(model.config.to_hf()) == model


def test_positions_of_roberta_start_after_its_padding_token():
    assert model_of(ROBERTA).config.context == 30
    assert model_of(ROBERTA, pad_token_id=5).config.context == 26
    assert model_of(ROBERTA, pad_token_id=5).config.to_hf()["max_position_embeddings"] == 32
    assert model_of(BERT, pad_token_id=5).config.context == 32


@pytest.mark.parametrize(
    ("fields", "field", "changes"),
    [
        (BERT, "position_embedding_type", {"position_embedding_type": "relative_key"}),
        (BERT, "is_decoder", {"is_decoder": True}),
        (BERT, "add_cross_attention", {"add_cross_attention": True}),
        (BERT, "is_encoder_decoder", {"is_encoder_decoder": True}),
        (BERT, "pruned_heads", {"pruned_heads": {"0": [1]}}),
        (BERT, "quantization_config", {"quantization_config": {"bits": 4}}),
        (BERT, "tie_word_embeddings", {"tie_word_embeddings": False}),
        (BERT, "hidden_act", {"hidden_act": "mish"}),
        (BERT, "hidden_act", {"hidden_act": ["gelu"]}),
        (BERT, "hidden_size", {"hidden_size": 26}),
        (BERT, "hidden_size", {"hidden_size": None}),
        (BERT, "num_hidden_layers", {"num_hidden_layers": "2"}),
        (BERT, "type_vocab_size", {"type_vocab_size": 0}),
        (BERT, "layer_norm_eps", {"layer_norm_eps": float("nan")}),
        (BERT, "architectures", {"architectures": ["BertForParsing"]}),
        (BERT, "architectures", {"architectures": ["RobertaForMaskedLM"]}),
        (BERT, "architectures", {"architectures": "BertModel"}),
        (ROBERTA, "architectures", {"architectures": ["RobertaForCausalLM"]}),
        (ROBERTA, "pad_token_id", {"pad_token_id": None}),
        (ROBERTA, "max_position_embeddings", {"max_position_embeddings": 2}),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(fields, field, changes):
    with pytest.raises(InputError) as error:
        model_of(fields, **changes)
    assert error.value.field == field


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("num_labels", {"num_labels": 3, "id2label": {"0": "a", "1": "b"}}),
        ("num_labels", {"num_labels": 0}),
        ("id2label", {"id2label": {}}),
    ],
)
def test_classes_that_do_not_add_up_are_refused(field, changes):
    with pytest.raises(InputError) as error:
        model_of(BERT, architectures=["BertForSequenceClassification"], **changes)
    assert error.value.field == field


def test_an_untied_table_is_refused_only_where_a_head_would_be_tied_to_it():
    assert not model_of(BERT, architectures=["BertModel"], tie_word_embeddings=False).head_shapes()


def test_a_head_with_other_classes_is_all_that_changes():
    bare = model_of(BERT, architectures=["BertModel"])
    model = bare.with_classes(3)
    assert model.head_shapes() == {"head:/kernel": (24, 3), "head:/bias": (3,)}
    assert shapes(model) == shapes(bare) and model.with_classes(0) == bare
    assert model.config.to_hf()["architectures"] == ["BertForSequenceClassification"]
    dense = {"head:/dense": (24, 24), "head:/dense_bias": (24,)}
    assert model_of(ROBERTA).with_classes(3).head_shapes() == model.head_shapes() | dense


def test_classes_that_transformers_would_pool_cannot_be_saved_without_a_pooler():
    with pytest.raises(InputError, match="without a pooler"):
        model_of(BERT).with_classes(3).config.to_hf()


def test_logits_of_a_model_without_a_head_are_an_error():
    model = model_of(BERT, architectures=["BertModel"])
    zeros = {path: np.zeros(shape, np.float32) for path, shape in shapes(model).items()}
    variables = {"params": unflatten_dict(zeros, sep="/")}
    with pytest.raises(ValueError, match="no masked-LM head"):
        model.apply(variables, np.zeros((4, 7, 24), np.float32), method="logits")


@pytest.mark.parametrize("start", [0, 2, 5])
def test_junk_in_padding_changes_nothing(tiny, start):
    valid = np.ones(TOKENS.shape, bool)
    valid[1:, start : start + 2] = False
    junk = np.where(valid, TOKENS, (TOKENS + 11) % 61)
    odd = np.where(valid, steps(7), 99)
    types = np.where(valid, 0, 1).astype(np.int32)
    before, after = run(*tiny, TOKENS, None, valid), run(*tiny, junk, odd, valid, types)
    np.testing.assert_array_equal(before[valid], after[valid])
    assert np.isfinite(after).all()


def test_right_padding_equals_cutting(tiny):
    valid = np.tile(np.arange(7)[None] < 4, (4, 1))
    padded = run(*tiny, TOKENS, None, valid)[:, :4]
    np.testing.assert_allclose(padded, run(*tiny, TOKENS[:, :4]), atol=1e-5, rtol=0)
    assert np.abs(padded - run(*tiny, TOKENS)[:, :4]).max() > 1e-2


def test_every_position_sees_every_other(tiny):
    changed = TOKENS.copy()
    changed[:, 4] = TOKENS[:, 4] % 58 + 3
    moved = np.abs(run(*tiny, TOKENS) - run(*tiny, changed)).max(-1)
    assert (moved > 1e-4).all()


def test_no_types_are_those_of_the_first_segment(tiny):
    zeros = np.zeros(TOKENS.shape, np.int32)
    np.testing.assert_array_equal(run(*tiny, TOKENS), run(*tiny, TOKENS, types=zeros))
    assert np.abs(run(*tiny, TOKENS) - run(*tiny, TOKENS, types=zeros + 1)).max() > 1e-2


def test_embeddings_may_be_handed_in_for_tokens(tiny):
    embedded = np.asarray(tiny[1]["embed/embedding"])[TOKENS]
    np.testing.assert_array_equal(run(*tiny, embedded), run(*tiny, TOKENS))


def test_a_memory_equals_concatenation_in_one_layer(tiny):
    """Keys and values of three positions in front, in one row that serves four."""
    model, params = tiny
    leaf = {path: np.asarray(x) for path, x in params.items()}
    front = np.random.default_rng(0).normal(size=(1, 3, 24)).astype(np.float32)
    valid = np.asarray([[True, False, True]])
    whole = np.concatenate([np.tile(front, (4, 1, 1)), leaf["embed/embedding"][TOKENS]], axis=1)
    seen = np.concatenate([np.tile(valid, (4, 1)), np.ones(TOKENS.shape, bool)], axis=1)
    expected = run(model, params, whole, None, seen)[:, 3:]

    first = model.config.offset
    hidden = front + leaf["positions/embedding"][first : first + 3] + leaf["types/embedding"][0]
    hidden = hidden - hidden.mean(-1, keepdims=True)
    hidden = hidden / np.sqrt((hidden**2).mean(-1, keepdims=True) + model.config.norm_eps)
    keys, values = (
        (hidden @ leaf[f"layers_0/attention/{n}/kernel"]).reshape(1, 3, 4, 6).astype(np.float32)
        for n in ("key", "value")
    )
    memory = KeyValueMemory((keys,), (values,), valid, np.arange(3, dtype=np.int32)[None])
    found = run(model, params, TOKENS, steps(7, 3), memories=(memory,))
    np.testing.assert_allclose(found, expected, atol=1e-4, rtol=0)
    assert np.abs(found - run(model, params, TOKENS, steps(7, 3))).max() > 1e-2


def test_bfloat16_parameters_compute_in_bfloat16_with_float32_logits(tiny):
    model, params = tiny
    half = {path: leaf.astype(jnp.bfloat16) for path, leaf in params.items()}
    exact = {path: leaf.astype(jnp.float32) for path, leaf in half.items()}
    hidden = run(model, half, TOKENS)
    assert hidden.dtype == jnp.bfloat16
    np.testing.assert_allclose(
        hidden.astype(np.float32), run(model, exact, TOKENS), atol=0.1, rtol=0.05
    )
    variables = {"params": unflatten_dict(half, sep="/")}
    assert model.apply(variables, hidden, method="logits").dtype == jnp.float32
