"""Folders of models and tokenizers: saved whole, loaded whole, or refused."""

import json
import os
import subprocess
import sys
from fnmatch import fnmatch

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from research.errors import InputError
from research.models import MODELS
from research.models.backbone import load_backbone, load_tokenizer, save_backbone


def tokenizer_of(size):
    words = {"<s>": 0, "</s>": 1, **{f"w{i}": i for i in range(2, size)}}
    backend = Tokenizer(models.WordLevel(words, unk_token="</s>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<s>", eos_token="</s>")


@pytest.fixture
def saved(make, tmp_path):
    """(folder of a tiny model with a tokenizer, model, params)."""
    model, params = make()
    save_backbone(tmp_path / "model", model, params, tokenizer_of(23))
    return tmp_path / "model", model, params


def refusal(action, *args, **kwargs):
    with pytest.raises(InputError) as error:
        action(*args, **kwargs)
    return str(error.value)


@pytest.mark.parametrize("tied", [True, False])
def test_a_saved_model_loads_as_it_was(make, tmp_path, tied):
    model, params = make(tied=tied, mlp_bias=True, rope_theta=500.0)
    save_backbone(tmp_path / "new" / "model", model, params)
    found = load_backbone(str(tmp_path / "new" / "model"))
    assert found.model == model and found.context == 32
    assert found.params.keys() == params.keys()
    for path, leaf in found.params.items():
        np.testing.assert_array_equal(leaf, params[path])
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["model"]


def test_bfloat16_is_saved_and_loaded_when_asked(make, tmp_path):
    model, params = make()
    save_backbone(tmp_path / "model", model, params, dtype="bfloat16")
    found = load_backbone(str(tmp_path / "model"), dtype="bfloat16")
    for path, leaf in found.params.items():
        assert leaf.dtype.name == "bfloat16"
        np.testing.assert_array_equal(leaf, params[path].astype("bfloat16"))
    assert json.loads((tmp_path / "model/config.json").read_text())["dtype"] == "bfloat16"
    assert "dtype is 'float16'" in refusal(
        save_backbone, tmp_path / "other", model, params, dtype="float16"
    )


def test_saving_never_overwrites_and_leaves_nothing_half_done(saved, tmp_path, monkeypatch):
    folder, model, params = saved
    assert "empty or not there" in refusal(save_backbone, folder, model, params)

    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr("research.models.backbone.write_weights", fail)
    with pytest.raises(OSError, match="no space"):
        save_backbone(tmp_path / "other", model, params)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


def test_only_the_models_own_leaves_are_saved(make, tmp_path):
    model, params = make()
    shorter = {path: leaf for path, leaf in params.items() if path != "final_norm/scale"}
    for wrong, path in (
        (shorter, "final_norm/scale"),
        ({**params, "lora:layers_0/mlp/up/a": np.ones((2, 2))}, "lora:layers_0/mlp/up/a"),
        ({**params, "final_norm/scale": np.ones(3)}, "final_norm/scale"),
    ):
        assert path in refusal(save_backbone, tmp_path / "model", model, wrong)


def test_the_checksum_is_of_the_contents(saved, tmp_path):
    folder, model, params = saved
    first = load_backbone(str(folder)).checksum
    moved = tmp_path / "elsewhere"
    folder.rename(moved)
    assert load_backbone(str(moved)).checksum == first
    for name in ("config.json", "tokenizer.json"):
        (moved / name).write_text((moved / name).read_text() + " ")
        changed = load_backbone(str(moved)).checksum
        assert changed != first
        first = changed
    save_backbone(
        tmp_path / "again", model, {**params, "final_norm/scale": np.ones(16)}, tokenizer_of(23)
    )
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / "again" / name).write_bytes((moved / name).read_bytes())
    assert load_backbone(str(tmp_path / "again")).checksum != first


def test_an_unknown_model_type_is_told_the_known_ones(saved):
    folder = saved[0]
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "lama"}))
    told = refusal(load_backbone, str(folder))
    assert "model_type is 'lama'" in told and "did you mean 'llama'" in told
    assert all(name in told for name in MODELS)


@pytest.mark.parametrize("content", ["{", "[1]", '"text"', b"\xff\xfe"])
def test_a_config_that_is_no_json_object_is_refused(saved, content):
    folder = saved[0]
    (folder / "config.json").write_bytes(
        content if isinstance(content, bytes) else content.encode()
    )
    assert "config.json" in refusal(load_backbone, str(folder))


def test_names_that_lead_nowhere_are_refused(saved, tmp_path):
    folder = saved[0]
    (folder / "config.json").unlink()
    assert "no config.json" in refusal(load_backbone, str(folder))
    for name in (str(tmp_path / "missing"), "nobody/no-such-model", "", "a/b/c"):
        told = refusal(load_backbone, name)
        assert "no such folder" in told and told.count("\n") == 0


def test_a_hub_id_leads_to_its_files_but_never_to_a_pickle(saved, monkeypatch):
    def download(name, allow_patterns):
        assert name == "somebody/model"
        wanted = ["config.json", "model.safetensors", "model-00001-of-00002.safetensors"]
        wanted += ["model.safetensors.index.json", "tokenizer.json", "special_tokens_map.json"]
        offered = [*wanted, "pytorch_model.bin", "pytorch_model.bin.index.json", "modeling.py"]
        found = {f for f in offered if any(fnmatch(f, p) for p in allow_patterns)}
        assert found == set(wanted)
        return str(saved[0])

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert load_backbone("somebody/model").name == "somebody/model"


def test_a_tokenizer_comes_back_with_its_special_tokens(saved):
    folder, model, _ = saved
    tokenizer = load_tokenizer(str(folder), model)
    assert tokenizer.is_fast and tokenizer.encode("w5 w22") == [5, 22]
    config = json.loads((folder / "config.json").read_text())
    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (0, 1, None)


def test_tokenizers_that_are_missing_broken_or_too_large_are_refused(saved, make):
    folder, model, _ = saved
    smaller, _ = make(vocab_size=22)
    assert "embeds 22 ids, the tokenizer has 23" in refusal(load_tokenizer, str(folder), smaller)
    (folder / "tokenizer.json").write_text("{}")
    assert "cannot be read" in refusal(load_tokenizer, str(folder), model)
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer.json" in refusal(load_tokenizer, str(folder), model)


def test_only_the_message_about_pytorch_is_silenced():
    code = (
        "import research, logging; logger = logging.getLogger('transformers'); "
        "import transformers; "
        "[logger.warning(told) for told in ('PyTorch was not found. No', 'something else')]"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert "something else" in done.stderr and "PyTorch" not in done.stderr


def test_importing_models_loads_neither_torch_nor_transformers():
    code = (
        "import sys, research.models, research.models.backbone; "
        "print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]" and done.stderr == ""
