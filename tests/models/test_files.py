"""Which files of a folder are read, and the way out where none is."""

import json

import pytest

from research.common.errors import InputError
from research.models.checkpoint.files import SINGLE, weight_files


def complaint(folder):
    with pytest.raises(InputError) as error:
        weight_files(folder)
    return str(error.value)


def test_a_folder_without_weights_is_told_what_is_expected(tmp_path):
    told = complaint(tmp_path)
    assert "model.safetensors or model.safetensors.index.json is expected" in told
    assert "convert" not in told


@pytest.mark.parametrize(
    "config, name",
    [
        ({"architectures": ["T5ForConditionalGeneration"]}, "T5ForConditionalGeneration"),
        ({"architectures": ["BertForMaskedLM"], "is_encoder_decoder": False}, "BertForMaskedLM"),
        ({"is_encoder_decoder": True}, "AutoModelForSeq2SeqLM"),
        ({"architectures": ["no; name"]}, "AutoModelForCausalLM"),
        (None, "AutoModelForCausalLM"),
    ],
)
def test_the_conversion_of_a_pickle_fits_the_model(tmp_path, config, name):
    (tmp_path / "pytorch_model.bin").touch()
    (tmp_path / "training_args.bin").touch()
    if config is not None:
        (tmp_path / "config.json").write_text(json.dumps(config))
    told = complaint(tmp_path)
    assert "pytorch_model.bin is never loaded, but where PyTorch is installed" in told
    assert f"from transformers import {name} as M; M.from_pretrained({str(tmp_path)!r})" in told


@pytest.mark.parametrize(
    "file, way",
    [
        ("pytorch_model-00001-of-00002.bin", ").save_pretrained('converted')"),
        ("tf_model.h5", ", from_tf=True).save_pretrained"),
        ("flax_model.msgpack", ", from_flax=True).save_pretrained"),
        ("model.pt", "weights_only=True), 'model.safetensors')"),
        ("model.ckpt", "weights_only=True), 'model.safetensors')"),
    ],
)
def test_each_other_format_has_its_way_out(tmp_path, file, way):
    (tmp_path / file).touch()
    told = complaint(tmp_path)
    assert f"{file} is never loaded" in told and way in told
    (tmp_path / SINGLE).touch()
    assert weight_files(tmp_path) == [tmp_path / SINGLE]
