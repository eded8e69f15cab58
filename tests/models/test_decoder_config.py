"""A config.json is understood completely or refused."""

import pytest

from research.errors import InputError
from research.models.decoder import DecoderConfig

SIZES = dict(
    vocab_size=100,
    hidden_size=32,
    intermediate_size=48,
    num_hidden_layers=3,
    num_attention_heads=4,
    max_position_embeddings=64,
)


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
        rope_theta=10000.0,
        norm_eps=1e-6,
        tied=False,
        attention_bias=False,
        mlp_bias=False,
    )


def test_every_field_survives_a_round_trip():
    config = DecoderConfig(100, 32, 3, 4, 2, 10, 48, 64, 500.0, 1e-5, True, True, True)
    assert DecoderConfig.from_hf(config.to_hf()) == config


@pytest.mark.parametrize(
    "fields",
    [
        {"rope_theta": 500},
        {"rope_parameters": {"rope_theta": 500.0, "rope_type": "default"}},
        {"rope_parameters": {"rope_theta": 500.0}, "rope_theta": 500.0, "rope_scaling": None},
        {"rope_scaling": {"type": "default"}, "rope_theta": 500.0},
    ],
)
def test_the_rotary_base_is_found_wherever_it_stands(fields):
    assert DecoderConfig.from_hf({**SIZES, **fields}).rope_theta == 500.0


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("hidden_act", {"hidden_act": "gelu"}),
        ("pretraining_tp", {"pretraining_tp": 2}),
        ("attention_dropout", {"attention_dropout": 0.1}),
        ("partial_rotary_factor", {"partial_rotary_factor": 0.5}),
        ("sliding_window", {"sliding_window": 128}),
        ("quantization_config", {"quantization_config": {"bits": 4}}),
        ("is_encoder_decoder", {"is_encoder_decoder": True}),
        ("rope_parameters.rope_type", {"rope_parameters": {"rope_type": "llama3", "factor": 8.0}}),
        ("rope_scaling.rope_type", {"rope_scaling": {"type": "linear", "factor": 2.0}}),
        (
            "rope_parameters.partial_rotary_factor",
            {"rope_parameters": {"partial_rotary_factor": 0.5}},
        ),
        ("rope_parameters", {"rope_parameters": "default"}),
        ("rope_theta", {"rope_parameters": {"rope_theta": 500.0}, "rope_theta": 600.0}),
        ("rope_theta", {"rope_theta": "big"}),
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
