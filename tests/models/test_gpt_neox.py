"""GPT-NeoX: what stands in a config.json, and the order of queries, keys and values."""

import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.common.errors import InputError
from research.models.backbone import shapes
from research.models.gpt_neox.config import GPTNeoXConfig
from research.models.gpt_neox.model import GPTNeoX
from tests import checkpoints

# By name: the number of parameters, and the fields that differ from Pythia's first sizes.
PYTHIA = {
    "70m": (70426624, dict(hidden_size=512, num_hidden_layers=6, num_attention_heads=8)),
    "410m": (405334016, dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16)),
}
SIZES = {"vocab_size": 50304, "max_position_embeddings": 2048}


def published(name):
    sizes = {**SIZES, **PYTHIA[name][1]}
    return {**sizes, "intermediate_size": 4 * sizes["hidden_size"], "model_type": "gpt_neox"}


@pytest.mark.parametrize("name", PYTHIA)
def test_pythia_is_understood_to_the_last_parameter(name):
    model = GPTNeoX.from_hf({**published(name), "rotary_pct": 0.25, "rotary_emb_base": 10000})
    assert sum(np.prod(shape) for shape in shapes(model).values()) == PYTHIA[name][0]
    assert GPTNeoXConfig.from_hf(model.to_hf()) == model.config


def test_names_of_rotary_fields_in_transformers_4_and_5_mean_the_same():
    fields = published("70m")
    old = GPTNeoXConfig.from_hf({**fields, "rotary_pct": 0.5, "rotary_emb_base": 300})
    rope = {"rope_type": "default", "rope_theta": 300, "partial_rotary_factor": 0.5}
    assert GPTNeoXConfig.from_hf({**fields, "rope_parameters": rope}) == old
    assert old.rotary_width == 32 and old.rope.theta == 300
    assert GPTNeoXConfig.from_hf(fields).rotary == 0.25


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("rotary_pct", {"rotary_pct": 1.5}),
        ("rotary_pct", {"rotary_pct": 0.01}),
        ("use_parallel_residual", {"use_parallel_residual": "yes"}),
        ("attention_bias", {"attention_bias": 1}),
        ("hidden_act", {"hidden_act": "swash"}),
        ("hidden_size", {"hidden_size": 500}),
        ("quantization_config", {"quantization_config": {"bits": 4}}),
        (
            "rope_type",
            {
                "rope_scaling": {
                    "rope_type": "llama3",
                    **dict.fromkeys(("factor", "low_freq_factor"), 2.0),
                    "high_freq_factor": 4.0,
                }
            },
        ),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(field, changes):
    with pytest.raises(InputError) as error:
        GPTNeoXConfig.from_hf({**published("70m"), **changes})
    assert error.value.field == field


def test_keys_and_values_are_those_of_the_middle_and_last_third_of_each_head():
    model, leaves = checkpoints.drawn("gpt_neox", num_hidden_layers=1)
    bias = np.zeros((4, 3, 6), np.float32)  # of heads
    bias[2, 1, 5], bias[3, 2, 0] = 7.0, 9.0  # a key that no position turns, and a value
    nested = {
        path: bias.reshape(-1) if path.endswith("qkv_by_head/bias") else np.zeros_like(leaf)
        for path, leaf in leaves.items()
    }
    tokens = np.zeros((1, 2), np.int32)
    args = (tokens, np.arange(2)[None], np.ones((1, 2), bool))
    _, memory = jax.device_get(model.apply({"params": unflatten_dict(nested, sep="/")}, *args))
    for found, head, place, value in ((memory.keys, 2, 5, 7.0), (memory.values, 3, 0, 9.0)):
        expected = np.zeros((1, 2, 4, 6), np.float32)
        expected[:, :, head, place] = value
        np.testing.assert_array_equal(found[0], expected)
