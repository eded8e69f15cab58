"""Folders of models and tokenizers: saved whole, loaded whole, or refused."""

import json
import os
import subprocess
import sys
from fnmatch import fnmatch

import numpy as np
import pytest
from safetensors.numpy import load_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from research.common.errors import InputError
from research.models import MODELS
from research.models.backbone import load_backbone, load_tokenizer, save_backbone, shapes
from research.models.checkpoint import weights
from research.models.checkpoint.key_map import Key
from research.models.checkpoint.weights import SINGLE, write_weights
from research.models.layers.rope import Rope
from research.models.llama.model import Decoder


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
    model, params = make(tied=tied, mlp_bias=True, rope=Rope(500.0))
    save_backbone(tmp_path / "new" / "model", model, params)
    found = load_backbone(str(tmp_path / "new" / "model"))
    assert found.model == model and found.context == 32
    assert found.params.keys() == params.keys()
    for path, leaf in found.params.items():
        np.testing.assert_array_equal(leaf, params[path])
    assert [entry.name for entry in (tmp_path / "new").iterdir()] == ["model"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_saved_and_loaded_when_asked(make, tmp_path, dtype):
    model, params = make()
    save_backbone(tmp_path / "model", model, params, dtype=dtype)
    found = load_backbone(str(tmp_path / "model"), dtype=dtype)
    for path, leaf in found.params.items():
        assert leaf.dtype.name == dtype
        np.testing.assert_array_equal(leaf, params[path].astype(dtype))
    assert json.loads((tmp_path / "model/config.json").read_text())["dtype"] == dtype
    assert "dtype is 'float64'" in refusal(
        save_backbone, tmp_path / "other", model, params, dtype="float64"
    )


def test_large_models_are_saved_as_shards_with_an_index(make, tmp_path):
    model, params = make()
    limit = 2 * params["embed/embedding"].size + 1  # bytes, in bfloat16
    save_backbone(tmp_path / "model", model, params, dtype="bfloat16", shard_bytes=limit)
    index = json.loads((tmp_path / "model/model.safetensors.index.json").read_text())
    files = sorted(set(index["weight_map"].values()))
    assert len(files) > 2 and files[0] == f"model-00001-of-{len(files):05}.safetensors"
    total = 0
    for file in files:
        tensors = load_file(tmp_path / "model" / file)
        size = sum(tensor.nbytes for tensor in tensors.values())
        assert size <= limit or len(tensors) == 1
        assert all(index["weight_map"].pop(name) == file for name in tensors)
        total += size
    assert not index["weight_map"] and index["metadata"]["total_size"] == total
    names = {entry.name for entry in (tmp_path / "model").iterdir()}
    configs = {"config.json", "generation_config.json"}
    assert names == {*files, "model.safetensors.index.json", *configs}
    for path, leaf in load_backbone(str(tmp_path / "model")).params.items():
        np.testing.assert_array_equal(leaf, params[path].astype("bfloat16"))


def test_saving_never_overwrites_and_leaves_nothing_half_done(saved, tmp_path, monkeypatch):
    folder, model, params = saved
    assert "empty or not there" in refusal(save_backbone, folder, model, params)
    write = weights.write_weights

    def fail(file, *args):
        if "00002" in file.name:
            raise OSError("no space left")
        write(file, *args)

    monkeypatch.setattr(weights, "write_weights", fail)
    with pytest.raises(OSError, match="no space"):
        save_backbone(tmp_path / "other", model, params, shard_bytes=1000)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model"]


class Headed(Decoder):
    """A decoder with a classification head in its checkpoints."""

    KEY_MAP = Decoder.KEY_MAP._replace(
        keys=(*Decoder.KEY_MAP.keys, Key("score.weight", "head:/kernel", True)),
    )

    @classmethod
    def from_hf(cls, config, names=()):
        seen.append(set(names))
        return cls(Decoder.from_hf(config).config)

    def head_shapes(self):
        return {"head:/kernel": (self.config.width, 3)}


seen: list[set[str]] = []  # the names that the checkpoints of `Headed` had


def test_a_classification_head_is_saved_and_loaded_with_its_model(make, tmp_path, monkeypatch):
    monkeypatch.setitem(MODELS, "llama", Headed)
    plain, params = make()
    model = Headed(plain.config)
    assert "head:/kernel" in refusal(save_backbone, tmp_path / "model", model, params)
    params = {**params, "head:/kernel": np.arange(48, dtype=np.float32).reshape(16, 3)}
    assert "head:/kernel" in refusal(save_backbone, tmp_path / "model", plain, params)
    save_backbone(tmp_path / "model", model, params)
    assert load_file(tmp_path / "model" / SINGLE)["score.weight"].shape == (3, 16)
    found = load_backbone(str(tmp_path / "model"))
    assert found.params.keys() == params.keys() and found.model == model
    np.testing.assert_array_equal(found.params["head:/kernel"], params["head:/kernel"])
    assert {"score.weight", "model.norm.weight"} < seen.pop()
    (tmp_path / "model" / SINGLE).unlink()
    write_weights(
        tmp_path / "model" / SINGLE,
        plain.KEY_MAP,
        {p: params[p] for p in shapes(plain)},
        np.float32,
    )
    assert "1 missing: score.weight" in refusal(load_backbone, str(tmp_path / "model"))


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
    (folder / "config.json").write_text(json.dumps({**config, "model_type": ["llama"]}))
    assert "model_type is ['llama']" in refusal(load_backbone, str(folder))


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
        wanted += ["tokenizer_config.json", "vocab.txt", "vocab.json", "merges.txt", "spiece.model"]
        wanted += ["chat_template.jinja", "additional_chat_templates/tool_use.jinja"]
        offered = [*wanted, "pytorch_model.bin", "pytorch_model.bin.index.json", "modeling.py"]
        offered += ["tf_model.h5", "onnx/model.safetensors", "onnx/tokenizer.json"]
        found = {f for f in offered if any(fnmatch(f, p) for p in allow_patterns)}
        assert found == set(wanted)
        return str(saved[0])

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    assert load_backbone("somebody/model").name == "somebody/model"


@pytest.mark.parametrize("ids, ends", [(None, ()), (1, (1,)), ([1, 5, 999], (1, 5)), ("x", ())])
def test_a_model_has_the_ends_of_its_generation_config(saved, ids, ends):
    """Those that it can write."""
    (saved[0] / "generation_config.json").write_text(json.dumps({"eos_token_id": ids}))
    assert load_backbone(str(saved[0])).ends == ends


def test_a_tokenizer_comes_back_with_its_special_tokens(saved):
    folder, model, _ = saved
    tokenizer = load_tokenizer(str(folder), model)
    assert tokenizer.is_fast and tokenizer.encode("w5 w22") == [5, 22]
    config = json.loads((folder / "config.json").read_text())
    assert (config["bos_token_id"], config["eos_token_id"], config["pad_token_id"]) == (0, 1, None)


@pytest.mark.parametrize("said", ["PreTrainedTokenizerFast", "TokenizersBackend"])
def test_auto_tokenizer_is_spared_where_the_folder_tells_a_plain_class(saved, said, monkeypatch):
    folder, model, _ = saved
    config = folder / "tokenizer_config.json"
    told = json.loads(config.read_text())
    config.write_text(json.dumps({**told, "tokenizer_class": said}))
    auto = AutoTokenizer.from_pretrained(folder)
    monkeypatch.setattr(AutoTokenizer, "from_pretrained", lambda *args, **how: None)
    plain = load_tokenizer(str(folder), model)
    assert type(plain) is type(auto) and plain.get_vocab() == auto.get_vocab()
    assert plain.special_tokens_map == auto.special_tokens_map
    config.write_text(json.dumps({**told, "tokenizer_class": "LlamaTokenizerFast"}))
    with pytest.raises(AttributeError):  # it is AutoTokenizer's part
        load_tokenizer(str(folder), model)


def test_tokenizers_that_are_missing_broken_or_too_large_are_refused(saved, make):
    folder, model, _ = saved
    larger, _ = make(vocab_size=24)
    load_tokenizer(str(folder), larger)  # some models embed more ids than are used
    smaller, _ = make(vocab_size=22)
    assert "embeds 22 ids, the tokenizer has 23" in refusal(load_tokenizer, str(folder), smaller)
    (folder / "tokenizer.json").write_text("{}")
    assert "cannot be read" in refusal(load_tokenizer, str(folder), model)
    (folder / "tokenizer.json").unlink()
    assert "no tokenizer.json" in refusal(load_tokenizer, str(folder), model)


def test_added_tokens_that_the_model_cannot_embed_are_characters(saved):
    """Many a tokenizer has a padding token that was added after the model was made."""
    folder, model, _ = saved
    plain = load_tokenizer(str(folder), model).encode("w5 <pad> w6")
    tokenizer = tokenizer_of(23)
    tokenizer.add_special_tokens({"pad_token": "<pad>"})
    assert tokenizer.encode("w5 <pad> w6") == [5, 23, 6]
    tokenizer.save_pretrained(folder)
    loaded = load_tokenizer(str(folder), model)
    assert loaded.encode("w5 <pad> w6") == plain == [5, 1, 6]
    assert loaded.pad_token_id is None and loaded.eos_token_id == 1
    assert max(loaded.get_vocab().values()) == 22
    tokenizer.add_special_tokens({"mask_token": "<mask>"})
    tokenizer.save_pretrained(folder)
    assert "embeds 23 ids, the tokenizer has 25" in refusal(load_tokenizer, str(folder), model)


def test_importing_models_loads_neither_torch_nor_transformers():
    code = (
        "import sys, research.models, research.models.backbone; "
        "print([m for m in ('torch', 'transformers', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == "[]" and done.stderr == ""
