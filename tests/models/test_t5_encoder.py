"""The encoder of T5 alone: which checkpoints it is read from, and what it computes."""

import json

import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict
from safetensors.numpy import load_file, save_file

from research.common.errors import InputError
from research.models.backbone import load_backbone, save_backbone, shapes
from research.models.t5.encoder import GatedT5Encoder, T5Encoder, T5EncoderConfig
from research.models.t5.model import T5
from tests import checkpoints

SIZES = dict(vocab_size=23, d_model=12, d_kv=4, d_ff=20, num_layers=2, num_heads=2)


@pytest.mark.parametrize(
    ("fields", "names", "family"),
    [
        ({}, (), T5),
        ({}, ("shared.weight", "decoder.block.0.layer.0.layer_norm.weight"), T5),
        ({}, ("shared.weight", "encoder.block.0.layer.0.layer_norm.weight"), T5Encoder),
        ({"architectures": ["T5EncoderModel"]}, (), T5Encoder),
        ({"architectures": ["T5EncoderModel"], "is_encoder_decoder": False}, (), T5Encoder),
        (
            {"architectures": ["MT5EncoderModel"], "model_type": "mt5"},
            ("decoder.block.0.layer.0.layer_norm.weight",),
            GatedT5Encoder,
        ),
        ({"architectures": ["T5ForConditionalGeneration"]}, (), T5),
        ({"architectures": [["T5EncoderModel"]]}, (), T5),
    ],
)
def test_which_checkpoints_are_encoders(fields, names, family):
    assert type(T5.from_hf({**SIZES, **fields}, names)) is family


def test_the_fields_of_the_decoder_are_not_read():
    decoder = {"num_decoder_layers": 0, "decoder_start_token_id": -1, "pad_token_id": 99}
    decoder |= {"scale_decoder_outputs": False, "tie_word_embeddings": False}
    config = T5EncoderConfig.from_hf({**SIZES, **decoder})
    assert config == T5EncoderConfig.from_hf(SIZES)
    assert T5EncoderConfig.from_hf(config.to_hf()) == config
    assert config.to_hf()["architectures"] == ["T5EncoderModel"]
    with pytest.raises(InputError, match="feed_forward_proj"):
        T5EncoderConfig.from_hf({**SIZES, "feed_forward_proj": "silu"})


def test_leaves_are_those_of_the_encoder_of_t5():
    encoder = T5.from_hf({**SIZES, "architectures": ["T5EncoderModel"]})
    whole = {p: s for p, s in shapes(T5.from_hf(SIZES)).items() if not p.startswith("decoder/")}
    assert shapes(encoder) == whole and len(whole) == 1 + 2 * 8 + 2


def write(folder, variant, architecture, dropped=""):
    """A checkpoint of that class, without the tensors whose names begin with `dropped`."""
    checkpoints.write(folder, variant)
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**fields, "architectures": [architecture]}))
    tensors = load_file(folder / "model.safetensors")
    kept = {name: x for name, x in tensors.items() if not dropped or not name.startswith(dropped)}
    save_file(kept, folder / "model.safetensors")
    return load_backbone(str(folder))


@pytest.mark.parametrize("dropped", ["", "decoder."])
def test_hidden_states_are_those_of_the_encoder_of_t5(tmp_path, dropped):
    """Of a checkpoint with the decoder by its class, and of one without by its tensors."""
    whole = write(tmp_path / "whole", "t5", "T5ForConditionalGeneration")
    architecture = "T5ForConditionalGeneration" if dropped else "T5EncoderModel"
    alone = write(tmp_path / "alone", "t5", architecture, dropped)
    assert isinstance(alone.model, T5Encoder)
    assert alone.params.keys() == {p for p in whole.params if not p.startswith("decoder/")}
    given = checkpoints.inputs(alone.model)
    places = np.broadcast_to(np.arange(24, dtype=np.int32), (3, 24))
    inputs = (given["tokens"], places, given["valid"])

    def apply(backbone, *args, **options):
        variables = {"params": unflatten_dict(backbone.params, sep="/")}
        return np.asarray(jax.jit(lambda v: backbone.model.apply(v, *args, **options))(variables))

    expected, found = apply(whole, *inputs, method="encode"), apply(alone, *inputs)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    at = np.asarray([[2, 0], [5, 1], [0, 0]], np.int32)
    some = apply(alone, *inputs, at=at)
    np.testing.assert_allclose(some, np.take_along_axis(expected, at[..., None], 1), atol=1e-5)
    np.testing.assert_array_equal(apply(alone, found, method="features"), found[:, 0])


def test_a_missing_tensor_of_the_encoder_is_named(tmp_path):
    name = "encoder.block.1.layer.0.SelfAttention.q.weight"
    with pytest.raises(InputError, match=f"1 missing: {name}"):
        write(tmp_path / "model", "t5 encoder", "T5EncoderModel", name)


def test_a_saved_encoder_loads_again(tmp_path):
    backbone = write(tmp_path / "model", "t5 1.1 encoder", "T5EncoderModel")
    save_backbone(tmp_path / "again", backbone.model, backbone.params)
    again = load_backbone(str(tmp_path / "again"))
    assert again.model == backbone.model and type(again.model) is GatedT5Encoder
    for path, leaf in backbone.params.items():
        np.testing.assert_array_equal(again.params[path], leaf, err_msg=path)
    assert not (tmp_path / "again" / "generation_config.json").exists()


def test_it_gives_no_logits():
    model, params = checkpoints.drawn("t5 encoder")
    variables = {"params": unflatten_dict(params, sep="/")}
    with pytest.raises(ValueError, match="no output layer"):
        model.apply(variables, np.zeros((1, 16), np.float32), method="logits")
