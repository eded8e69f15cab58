"""Frequencies of rotary positions are those that a config.json asks for, or it is refused."""

import numpy as np
import pytest

from research.common.errors import InputError
from research.models.layers.rope import Rope
from research.models.layers.rope_fields import read_rope
from tests import checkpoints

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 20.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 2.0,
    "original_max_position_embeddings": 16,
}

YARN = {"rope_type": "yarn", "original_max_position_embeddings": 16}
LONG = {**YARN, "rope_type": "longrope", "short_factor": [1, 2], "long_factor": [3, 4]}


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
    assert read_rope(fields) == Rope(500.0)


@pytest.mark.parametrize(
    ("fields", "rope"),
    [
        ({"rope_parameters": LLAMA3}, Rope(20.0, "llama3", 8.0, 1.0, 2.0, 16)),
        ({"rope_scaling": LLAMA3, "rope_theta": 20.0}, Rope(20.0, "llama3", 8.0, 1.0, 2.0, 16)),
        (
            {"rope_scaling": LLAMA3, "rope_parameters": LLAMA3},
            Rope(20.0, "llama3", 8.0, 1.0, 2.0, 16),
        ),
        (
            {"rope_scaling": {**LLAMA3, "original_max_position_embeddings": None}},
            Rope(20.0, "llama3", 8.0, 1.0, 2.0, 64),
        ),
        ({"rope_scaling": {"type": "linear", "factor": 3}}, Rope(10000.0, "linear", 3.0)),
        (
            {"rope_scaling": YARN},
            Rope(kind="yarn", factor=4.0, original=16, scale=0.1 * np.log(4) + 1),
        ),
        (
            {"rope_scaling": {**YARN, "attention_factor": 0.7, "beta_fast": 8}},
            Rope(kind="yarn", factor=4.0, original=16, scale=0.7, fast=8),
        ),
        (
            {"rope_scaling": LONG},
            Rope(kind="longrope", original=16, scale=1.5**0.5, short=(1, 2), long=(3, 4)),
        ),
    ],
)
def test_stretched_frequencies_are_found_wherever_they_stand(fields, rope):
    assert read_rope({"max_position_embeddings": 64, **fields}) == rope


def test_the_context_of_longrope_is_that_of_its_frequencies():
    """Beyond `original` positions transformers takes other frequencies, for all positions."""
    model, _ = checkpoints.drawn("llama, longrope")
    assert model.config.context == 32
    assert type(model.config).from_hf(model.to_hf()) == model.config
    with pytest.raises(InputError, match="short_factor .* a list of 4 numbers is expected"):
        checkpoints.drawn("llama, longrope", head_dim=8)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("rope_scaling.rope_type", {"rope_scaling": {"type": "proportional"}}),
        ("rope_scaling.rope_type", {"rope_scaling": {"type": ["yarn"]}}),
        ("rope_scaling.factor", {"rope_scaling": {"type": "dynamic"}}),
        ("rope_theta", {"rope_scaling": {"type": "yarn", "factor": 2}, "rope_theta": 1}),
        ("truncate", {"rope_scaling": {"type": "yarn", "factor": 2, "truncate": "yes"}}),
        ("mscale", {"rope_scaling": {"type": "yarn", "factor": 2, "mscale": "a"}}),
        ("max_position_embeddings", {"rope_scaling": YARN, "max_position_embeddings": "a"}),
        ("rope_scaling.short_factor", {"rope_scaling": {**LONG, "short_factor": 3}}),
        ("short_factor", {"rope_scaling": {**LONG, "short_factor": [1, 0]}}),
        ("rope_scaling.long_factor", {"rope_scaling": {**LONG, "long_factor": None}}),
        ("rope_scaling.factor", {"rope_scaling": {"type": "linear"}}),
        ("factor", {"rope_scaling": {"type": "linear", "factor": 0}}),
        ("rope_scaling.low_freq_factor", {"rope_scaling": {**LLAMA3, "low_freq_factor": None}}),
        ("high_freq_factor", {"rope_scaling": {**LLAMA3, "high_freq_factor": 1.0}}),
        (
            "original_max_position_embeddings",
            {"rope_scaling": LLAMA3, "original_max_position_embeddings": 32},
        ),
        ("rope_scaling", {"rope_scaling": LLAMA3, "rope_parameters": {**LLAMA3, "factor": 9.0}}),
        ("rope_parameters.full_attention", {"rope_parameters": {"full_attention": LLAMA3}}),
        (
            "rope_parameters.partial_rotary_factor",
            {"rope_parameters": {"partial_rotary_factor": 0.5}},
        ),
        ("rope_parameters", {"rope_parameters": "default"}),
        ("rope_theta", {"rope_parameters": {"rope_theta": 500.0}, "rope_theta": 600.0}),
        ("rope_theta", {"rope_theta": "big"}),
    ],
)
def test_what_cannot_be_computed_is_refused_by_name(field, fields):
    with pytest.raises(InputError) as error:
        read_rope({"max_position_embeddings": 64, **fields})
    assert error.value.field == field
