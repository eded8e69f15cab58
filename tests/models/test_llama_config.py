"""A config.json is understood completely or refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from research.common.errors import InputError
from research.models import MODELS
from research.models.backbone import shapes
from research.models.layers.rope import Rope
from research.models.llama.config import DecoderConfig
from research.models.llama.config_json import SWITCHES
from tests.thorough import cases

SIZES = dict(
    vocab_size=100,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    max_position_embeddings=64,
)


# By name: the number of parameters and those fields of config.json that matter here, both recalled
# and not read from the checkpoints; that they agree to the last parameter is what is tested.
PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text())


@pytest.mark.parametrize("name", cases(PUBLISHED, quick=list(PUBLISHED)[:9]))
def test_published_models_are_understood_to_the_last_parameter(name):
    parameters, fields = PUBLISHED[name]["parameters"], PUBLISHED[name]["config"]
    model = MODELS[fields["model_type"]].from_hf(fields)
    assert sum(map(math.prod, shapes(model).values())) == parameters
    written = model.config.to_hf()
    assert DecoderConfig.from_hf(written) == model.config
    other = {"rope_scaling", "sliding_window"}
    if model.config.rope.kind == "longrope":  # of which the first positions are supported
        other.add("max_position_embeddings")
    for field in fields.keys() & written.keys() - other:
        assert written[field] == fields[field], field


@pytest.mark.parametrize(
    ("name", "window", "windowed"),
    [
        ("Llama-2-7B", None, 0),
        ("Mistral-7B-v0.1", 4096, 32),
        ("Mistral-7B-v0.3", None, 0),
        ("Qwen2.5-0.5B", None, 0),
        ("Qwen3-0.6B", None, 0),
    ],
)
def test_published_windows(name, window, windowed):
    config = DecoderConfig.from_hf(PUBLISHED[name]["config"])
    assert (config.window, config.windowed) == (window, tuple(range(windowed)))


def test_missing_fields_take_the_defaults_of_llama():
    assert DecoderConfig.from_hf(SIZES) == DecoderConfig(
        vocab_size=100,
        width=32,
        layers=3,
        heads=4,
        kv_heads=4,
        head_width=8,
        hidden=48,
        context=64,
        rope=Rope(10000.0),
        norm_eps=1e-6,
        tied=False,
        attention_bias=False,
        mlp_bias=False,
        model_type="llama",
        window=None,
        windowed=(),
    )


GEMMA: dict[str, Any] = dict(
    kv_heads=4,
    head_width=256,
    activation="gelu_pytorch_tanh",
    query_scale=256**-0.5,
    window=4096,
    tied=True,
    norm_offset=1.0,
    post_norms=True,
    root_scale=True,
)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("mistral", dict(kv_heads=8, window=4096, windowed=(0, 1, 2))),
        ("qwen2", dict(kv_heads=32, attention_bias=True, out_bias=False)),
        ("qwen3", dict(kv_heads=32, head_width=128, head_norm=True)),
        (
            "olmo2",
            dict(
                kv_heads=32,
                norm_eps=1e-5,
                head_norm=True,
                whole_norm=True,
                pre_norms=False,
                post_norms=True,
            ),
        ),
        ("smollm3", dict(kv_heads=4, rope=Rope(2e6), tied=True)),
        ("granite", dict(kv_heads=32, query_scale=1.0)),
        ("phi3", dict(kv_heads=32, norm_eps=1e-5, fused=True)),
        ("gemma2", dict(**GEMMA, windowed=(0, 2), score_cap=50.0, logit_cap=30.0)),
        (
            "gemma3_text",
            dict(
                **GEMMA,
                windowed=(0, 1, 2),
                rope=Rope(1e6),
                local_rope=Rope(1e4),
                head_norm=True,
            ),
        ),
    ],
)
def test_missing_fields_take_the_defaults_of_their_model_type(kind, changes):
    fields = {**SIZES, "model_type": kind, "hidden_size": 320, "num_attention_heads": 32}
    expected = dict(
        vocab_size=100, width=320, layers=3, heads=32, head_width=10, hidden=48, context=64
    )
    found = DecoderConfig.from_hf(fields)
    assert found == DecoderConfig(**{**expected, **changes, "model_type": kind})


@pytest.mark.parametrize("kind", ["llama", "mistral", "qwen2", "qwen3"])
def test_null_key_heads_are_as_many_as_heads(kind):
    fields = {**SIZES, "model_type": kind, "num_key_value_heads": None}
    assert DecoderConfig.from_hf(fields).kv_heads == 4


QWEN = {**SIZES, "model_type": "qwen2", "num_key_value_heads": 2}
UPPER = {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}
PHI3 = {"model_type": "phi3", "head_dim": 8}
FACTORS = {"short_factor": [1.0, 1.5, 2.0, 3.0], "long_factor": [2.0, 3.0, 4.0, 5.0]}
PHI3_TWICE = {
    **PHI3,
    "partial_rotary_factor": 1.0,
    "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5},
}
# The class of transformers reads it beside the object, and 4096 without it.
PHI3_ELSEWHERE = {
    **PHI3,
    "rope_scaling": {
        "rope_type": "longrope",
        "original_max_position_embeddings": 32,
        **FACTORS,
    },
}
GEMMA3 = {"model_type": "gemma3_text"}
GEMMA3_SCALED_WINDOWS = {
    **GEMMA3,
    "rope_parameters": {"sliding_attention": {"rope_type": "linear", "factor": 2.0}},
}
MIXED = ["sliding_attention", "full_attention", "sliding_attention"]


@pytest.mark.parametrize(
    ("fields", "window", "windowed"),
    [
        (UPPER, 7, (1, 2)),
        ({**UPPER, "max_window_layers": 0}, 7, (0, 1, 2)),
        ({**UPPER, "max_window_layers": 3}, None, ()),
        ({**UPPER, "use_sliding_window": False}, None, ()),
        ({**UPPER, "sliding_window": None}, None, ()),
        ({"use_sliding_window": True}, None, ()),
        ({**UPPER, "layer_types": MIXED}, 7, (0, 2)),
        ({**UPPER, "layer_types": ["full_attention"] * 3}, None, ()),
        ({"layer_types": ["full_attention"] * 3}, None, ()),
    ],
)
def test_which_layers_have_a_window(fields, window, windowed):
    config = DecoderConfig.from_hf({**QWEN, **fields})
    assert (config.window, config.windowed) == (window, windowed)
    assert DecoderConfig.from_hf(config.to_hf()) == config


@pytest.mark.parametrize(
    "fields",
    [
        {"hidden_act": "swish"},
        {"pretraining_tp": 2},
        {"attention_dropout": 0.1},
        {"layer_types": ["full_attention"] * 3},
    ],
    ids=str,
)
def test_fields_that_change_nothing(fields):
    assert DecoderConfig.from_hf({**SIZES, **fields}) == DecoderConfig.from_hf(SIZES)


def test_every_field_survives_a_round_trip():
    rope = Rope(500.0, "llama3", 8.0, 0.5, 3.0, 16)
    config = DecoderConfig(100, 32, 3, 4, 2, 10, 48, 64, rope, 1e-5, True, True, True)
    assert DecoderConfig.from_hf(config.to_hf()) == config


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("hidden_act", {"hidden_act": "gelu"}),
        ("partial_rotary_factor", {"partial_rotary_factor": 0.5}),
        ("sliding_window", {"sliding_window": 128}),
        ("quantization_config", {"quantization_config": {"bits": 4}}),
        ("is_encoder_decoder", {"is_encoder_decoder": True}),
        ("use_sliding_window", {"use_sliding_window": True}),
        ("layer_types", {"layer_types": ["full_attention"] * 30}),
        ("layer_types", {"layer_types": ["sliding_attention"] * 3}),
        ("rope_interleaved", {"rope_interleaved": True}),
        ("use_mrope", {"use_mrope": True}),
        ("model_type", {"model_type": "qwen2_moe"}),
        ("rope_scaling.rope_type", {"rope_scaling": {"type": "axial"}}),
        ("vocab_size", {"vocab_size": None}),
        ("vocab_size", {"vocab_size": "100"}),
        ("num_hidden_layers", {"num_hidden_layers": 0}),
        ("num_attention_heads", {"num_attention_heads": True}),
        ("hidden_size", {"hidden_size": 30}),
        ("num_key_value_heads", {"num_key_value_heads": 3}),
        ("head_dim", {"head_dim": 7}),
        ("rms_norm_eps", {"rms_norm_eps": -1e-6}),
        ("rms_norm_eps", {"rms_norm_eps": float("nan")}),
        ("tie_word_embeddings", {"tie_word_embeddings": "yes"}),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(field, changes):
    with pytest.raises(InputError) as error:
        DecoderConfig.from_hf({**SIZES, **changes})
    assert error.value.field == field


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("attention_bias", {"model_type": "mistral", "attention_bias": True}),
        ("mlp_bias", {"model_type": "mistral", "mlp_bias": True}),
        ("layer_types", {"model_type": "mistral", "layer_types": MIXED}),
        ("sliding_window", {"model_type": "mistral", "sliding_window": 0}),
        ("sliding_window", {"model_type": "mistral", "sliding_window": "wide"}),
        ("attention_bias", {"attention_bias": False}),
        ("mlp_bias", {"mlp_bias": True}),
        ("mlp_bias", {"model_type": "qwen3", "mlp_bias": True}),
        ("use_sliding_window", {"use_sliding_window": 1}),
        ("sliding_window", {**UPPER, "sliding_window": -1}),
        ("max_window_layers", {**UPPER, "max_window_layers": None}),
        ("max_window_layers", {**UPPER, "max_window_layers": -1}),
        ("layer_types", {"layer_types": MIXED}),
        ("layer_types", {**UPPER, "layer_types": MIXED[:2]}),
        ("layer_types", {**UPPER, "layer_types": [*MIXED[:2], "chunked_attention"]}),
        ("layer_types", {**UPPER, "layer_types": "full_attention"}),
        ("attention_multiplier", {"model_type": "granite", "attention_multiplier": None}),
        ("residual_multiplier", {"model_type": "granite", "residual_multiplier": 0}),
        ("logits_scaling", {"model_type": "granite", "logits_scaling": "8"}),
        ("no_rope_layers", {"model_type": "smollm3", "no_rope_layers": [1, 0]}),
        ("no_rope_layers", {"model_type": "smollm3", "no_rope_layers": [1, 0, 2]}),
        ("no_rope_layer_interval", {"model_type": "smollm3", "no_rope_layer_interval": 0}),
        ("sliding_window", {"model_type": "smollm3", "sliding_window": 4}),
        ("rope_type", {"model_type": "phi3", "rope_scaling": {"type": "linear", "factor": 2.0}}),
        ("partial_rotary_factor", {"model_type": "phi3", "partial_rotary_factor": 0.1}),
        ("partial_rotary_factor", PHI3_TWICE),
        ("original_max_position_embeddings", PHI3_ELSEWHERE),
        ("hidden_activation", {"model_type": "gemma2", "hidden_activation": None}),
        ("hidden_activation", {"model_type": "gemma2", "hidden_activation": "swash"}),
        ("query_pre_attn_scalar", {"model_type": "gemma2", "query_pre_attn_scalar": 0.5}),
        ("sliding_window", {"model_type": "gemma2", "sliding_window": None}),
        ("sliding_window_pattern", {"model_type": "gemma2", "sliding_window_pattern": 3}),
        ("use_bidirectional_attention", {**GEMMA3, "use_bidirectional_attention": True}),
        ("attn_logit_softcapping", {**GEMMA3, "attn_logit_softcapping": 50.0}),
        ("sliding_window_pattern", {**GEMMA3, "sliding_window_pattern": 0}),
        ("rope_parameters", {**GEMMA3, "rope_parameters": {"rope_theta": 300.0}}),
        ("rope_parameters.sliding_attention", GEMMA3_SCALED_WINDOWS),
    ],
)
def test_what_other_model_types_cannot_have_is_refused_by_name(field, fields):
    with pytest.raises(InputError) as error:
        DecoderConfig.from_hf({**QWEN, "num_key_value_heads": 4, **fields})
    assert error.value.field == field


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("windowed", dict(window=3)),
        ("windowed", dict(windowed=(0,))),
        ("windowed", dict(window=3, windowed=(0,))),
        ("windowed", dict(window=3, windowed=(1,), model_type="mistral")),
        ("windowed", dict(window=3, windowed=(2, 1), model_type="qwen3")),
        ("windowed", dict(window=3, windowed=(3,), model_type="qwen3")),
        ("attention_bias", dict(model_type="qwen2")),
        ("model_type", dict(model_type="gemma")),
        ("activation", dict(activation="swash")),
        ("score_cap", dict(score_cap=0.0)),
        ("query_scale", dict(query_scale=-1.0)),
        ("partial_rotary", dict(partial_rotary=1.5)),
        ("partial_rotary", dict(partial_rotary=0.5)),  # 5 of 10 numbers
        ("partial_rotary", dict(partial_rotary=0.1)),
        ("residual_scale", dict(residual_scale=0.0)),
        ("unrotated", dict(unrotated=(1,))),
        ("unrotated", dict(unrotated=(2, 1), model_type="smollm3")),
        ("local_rope", dict(local_rope=Rope(20.0))),
        ("local_rope", dict(model_type="gemma3_text")),
    ],
)
def test_a_config_that_no_checkpoint_can_have_is_refused(field, changes):
    with pytest.raises(InputError) as error:
        DecoderConfig(100, 32, 3, 4, 2, 10, 48, 64, **changes)
    assert error.value.field == field


SWITCHED = dict(
    activation="gelu",
    out_bias=True,
    head_norm=True,
    whole_norm=True,
    norm_offset=1.0,
    pre_norms=False,
    post_norms=True,
    score_cap=50.0,
    query_scale=0.1,
    partial_rotary=0.4,
    root_scale=True,
    embed_scale=2.0,
    residual_scale=0.5,
    logit_divisor=8.0,
    logit_cap=30.0,
    fused=True,
)


@pytest.mark.parametrize("name", SWITCHED)
def test_a_switch_that_the_model_type_lacks_is_not_exported(name):
    """Its config.json has no field for it, so another program would compute something else."""
    assert tuple(SWITCHED) == SWITCHES
    config = DecoderConfig(100, 32, 3, 4, 2, 10, 48, 64, **{name: SWITCHED[name]})
    with pytest.raises(InputError) as error:
        config.to_hf()
    assert error.value.field == name
