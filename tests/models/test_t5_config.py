"""A config.json of T5 is understood completely or refused; offsets fall into the right buckets."""

import pytest

from research.common.errors import InputError
from research.models.t5.config import T5Config

SIZES = dict(vocab_size=23, d_model=12, d_kv=4, d_ff=20, num_layers=2, num_heads=2)


def test_missing_fields_take_the_defaults_of_t5():
    assert T5Config.from_hf(SIZES) == T5Config(
        vocab_size=23,
        width=12,
        layers=2,
        decoder_layers=2,
        heads=2,
        head_width=4,
        hidden=20,
        buckets=32,
        max_distance=128,
        norm_eps=1e-6,
        gated=False,
        tied=True,
        scaled=True,
        start_token=0,
    )
    assert T5Config.from_hf({**SIZES, "model_type": "mt5"}).gated
    assert T5Config.from_hf({**SIZES, "pad_token_id": 3}).start_token == 3


def test_every_field_survives_a_round_trip():
    config = T5Config(100, 32, 3, 4, 2, 10, 48, 16, 64, 1e-5, True, False, True, 7)
    assert T5Config.from_hf(config.to_hf()) == config
    tied_unscaled = T5Config(100, 32, 3, 4, 2, 10, 48, scaled=False)
    assert T5Config.from_hf(tied_unscaled.to_hf()) == tied_unscaled


@pytest.mark.parametrize(
    ("fields", "head", "tied", "scaled"),
    [
        ({}, False, True, True),
        ({}, True, True, True),  # the head is then a copy of the table, which loading checks
        ({"tie_word_embeddings": False}, True, False, False),
        # transformers 5 writes T5 1.1, and either of its tables, like this
        ({"tie_word_embeddings": True, "scale_decoder_outputs": False}, True, False, False),
        ({"tie_word_embeddings": True, "scale_decoder_outputs": False}, False, True, False),
        ({"tie_word_embeddings": True, "model_type": "mt5"}, True, False, False),
    ],
)
def test_which_head_a_checkpoint_has(fields, head, tied, scaled):
    names = ["shared.weight"] + ["lm_head.weight"] * head
    config = T5Config.from_hf({**SIZES, **fields}, names)
    assert (config.tied, config.scaled) == (tied, scaled)


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("feed_forward_proj", {"feed_forward_proj": "gated-silu"}),
        ("feed_forward_proj", {"feed_forward_proj": ["relu"]}),
        ("dense_act_fn", {"dense_act_fn": "gelu"}),
        ("is_gated_act", {"is_gated_act": True}),
        ("is_encoder_decoder", {"is_encoder_decoder": False}),
        ("is_decoder", {"is_decoder": True}),
        ("tie_encoder_decoder", {"tie_encoder_decoder": True}),
        ("quantization_config", {"quantization_config": {"bits": 4}}),
        ("tie_word_embeddings", {"tie_word_embeddings": "yes"}),
        ("scale_decoder_outputs", {"scale_decoder_outputs": 1}),
        ("d_kv", {"d_kv": None}),
        ("d_model", {"d_model": "12"}),
        ("num_layers", {"num_layers": 0}),
        ("num_decoder_layers", {"num_decoder_layers": True}),
        ("relative_attention_num_buckets", {"relative_attention_num_buckets": 3}),
        ("relative_attention_max_distance", {"relative_attention_max_distance": 16}),
        ("layer_norm_epsilon", {"layer_norm_epsilon": float("nan")}),
        ("decoder_start_token_id", {"decoder_start_token_id": 23}),
        ("decoder_start_token_id", {"decoder_start_token_id": -1}),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(field, changes):
    with pytest.raises(InputError) as error:
        T5Config.from_hf({**SIZES, **changes})
    assert error.value.field == field


def plain_bucket(distance: int, count: int, reach: int) -> int:
    """Of `count` buckets up to `reach`; the logarithms of the paper's formula as exact powers."""
    exact = count // 2
    if distance < exact:
        return distance
    coarse, bucket = count - exact, exact
    while bucket < count - 1:
        step = bucket + 1 - exact
        if distance**coarse * exact**step < reach**step * exact**coarse:
            break
        bucket += 1
    return bucket


@pytest.mark.parametrize(("count", "reach"), [(32, 128), (8, 20), (6, 5)])
def test_buckets_follow_the_formula(count, reach):
    config = T5Config.from_hf(
        {
            **SIZES,
            "relative_attention_num_buckets": count,
            "relative_attention_max_distance": reach,
        }
    )
    causal, whole = config.offset_buckets(causal=True), config.offset_buckets(causal=False)
    for offset in range(-reach, reach + 1):
        later = count // 2 if offset > 0 else 0
        expected = plain_bucket(abs(offset), count // 2, reach) + later
        assert whole[offset + reach] == expected
        assert causal[offset + reach] == plain_bucket(max(-offset, 0), count, reach)
    assert set(causal) == set(range(count)) and whole.max() == count - 1
