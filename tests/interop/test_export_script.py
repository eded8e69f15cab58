"""scripts/export.py, as a user runs it."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import research
from research.common.errors import InputError
from research.interop.peft import load_adapter, save_adapter
from research.methods.head import Head
from research.methods.lora import LoRA
from research.methods.shared.merging import merged
from research.methods.soft_prompt import SoftPrompt
from research.models.backbone import Backbone, load_backbone, load_tokenizer
from research.records.store import RunStore
from research.records.weights import load_trained
from scripts.export import main, merge
from tests import checkpoints, films
from tests.tiny import with_method

ROOT = Path(research.__file__).parent.parent
WORLD = ROOT / "research" / "assets" / "world-1m"


@pytest.fixture
def export(capsys):
    """`export(*arguments)`: (exit code, what it says on standard error)."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        try:
            code = main(list(map(str, arguments)))
        except SystemExit as end:
            code = end.code
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def made(tmp_path):
    """`made(method)`: (backbone, leaves) of an adapter in the folder `adapter`."""

    def make(method):
        backbone = load_backbone(str(WORLD))
        leaves = with_method(method, backbone.params)
        save_adapter(tmp_path / "adapter", backbone.name, backbone.model, [method], leaves)
        return backbone, leaves

    return make


def test_lora_is_merged_into_a_model_with_its_tokenizer(tmp_path, made, export):
    method = LoRA(rank=2)
    backbone, leaves = made(method)
    code, said = export(
        "--backbone", WORLD, "--adapter", tmp_path / "adapter", "--out", tmp_path / "new", "--merge"
    )
    assert (code, said.strip()) == (0, "")
    whole = load_backbone(str(tmp_path / "new"))
    assert whole.model == backbone.model
    expected = merged((method,), leaves)
    assert whole.params.keys() == expected.keys()
    for path, leaf in expected.items():
        np.testing.assert_allclose(
            np.asarray(whole.params[path]), np.asarray(leaf), atol=1e-6, err_msg=path
        )
    generation = json.loads((tmp_path / "new" / "generation_config.json").read_text())
    assert generation == {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    text = "a film that nobody has seen"
    mine, theirs = (load_tokenizer(str(f), whole.model) for f in (WORLD, tmp_path / "new"))
    assert mine.encode(text) == theirs.encode(text)


def test_an_output_layer_that_is_apart_from_the_table_is_written(tmp_path, made, export):
    """PEFT leaves it as it is where `modules_to_save` names the table alone."""
    backbone, _ = made(LoRA(rank=2))
    assert backbone.model.config.tied
    file, table = tmp_path / "adapter", np.asarray(backbone.params["embed/embedding"])
    tensors = load_file(file / "adapter_model.safetensors")
    tensors["base_model.model.model.embed_tokens.weight"] = table + 1
    save_file(tensors, file / "adapter_model.safetensors")
    config = json.loads((file / "adapter_config.json").read_text())
    config["modules_to_save"] = ["embed_tokens"]
    (file / "adapter_config.json").write_text(json.dumps(config))
    code, said = export(
        "--backbone", WORLD, "--adapter", file, "--out", tmp_path / "new", "--merge"
    )
    assert (code, said.strip()) == (0, "")
    whole = load_backbone(str(tmp_path / "new"))
    assert not whole.model.config.tied
    np.testing.assert_array_equal(whole.params["embed/embedding"], table + 1)
    np.testing.assert_array_equal(whole.params["head/kernel"], table.T)


def test_a_head_on_the_encoder_of_t5_is_not_written():
    model, params = checkpoints.drawn("t5 encoder")
    backbone = Backbone("t5", model, params, context=None, checksum="")
    with pytest.raises(InputError, match="no class for T5's encoder with a classification head"):
        merge(backbone, (Head(),), with_method(Head(), params))


def test_a_prompt_in_a_file_becomes_a_folder_of_peft(tmp_path, export):
    backbone = load_backbone(str(WORLD))
    width = backbone.params["embed/embedding"].shape[1]
    prompt = np.random.default_rng(0).normal(size=(5, width)).astype(np.float32)
    np.save(tmp_path / "prompt.npy", prompt)
    code, said = export(
        "--backbone", WORLD, "--adapter", tmp_path / "prompt.npy", "--out", tmp_path / "new"
    )
    assert (code, said.strip()) == (0, "")
    config = json.loads((tmp_path / "new" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(WORLD)
    methods, leaves = load_adapter(tmp_path / "new", backbone.model, backbone.params)
    assert methods == (SoftPrompt(5),)
    np.testing.assert_array_equal(np.asarray(leaves["soft_prompt:/prompt"]), prompt)


@pytest.mark.thorough
def test_what_a_run_trained_is_exported(tmp_path, export):
    """An adapter where methods added leaves, a whole model where the backbone's own trained."""
    lora = {"name": "lora", "rank": 2, "alpha": 8.0, "targets": ("query", "down")}
    config = films.settings(films.write_inputs(tmp_path))
    config |= {"seeds": 1, "search_seeds": 1, "keep_trained": True}
    config["approaches"] = [
        {"name": name, "stages": [{"method": method, "learning_rate": 0.1}], "trials": [{}]}
        for name, method in (("LoRA", lora), ("full", {"name": "full"}))
    ]
    results = films.run(config, tmp_path / "results")
    ids = {record.approach: record.run_id for record in RunStore(results).all()}
    out = ["--results", results, "--out", tmp_path / "out", "--run"]
    code, said = export(*out, ids["full"])
    assert code == 2 and "--merge is False: it is needed" in said
    assert export(*out, ids["full"], "--merge") == (0, "")
    whole = load_backbone(str(tmp_path / "out"))
    trained = load_trained(results, ids["full"])
    assert whole.params.keys() == trained.keys()
    for path, leaf in trained.items():
        np.testing.assert_array_equal(np.asarray(whole.params[path]), leaf)
    out[3] = tmp_path / "adapter"
    assert export(*out, ids["LoRA"]) == (0, "")
    backbone = load_backbone(config["backbone"])
    [method], leaves = load_adapter(tmp_path / "adapter", backbone.model, backbone.params)
    assert (method.rank, method.alpha) == (2, 8.0)
    for path, leaf in load_trained(results, ids["LoRA"]).items():
        np.testing.assert_array_equal(np.asarray(leaves[path]), leaf)
    files = [results / "trained" / f"{ids[name]}.safetensors" for name in ("LoRA", "full")]
    files[0].write_bytes(files[1].read_bytes())
    out[3] = tmp_path / "other"
    code, said = export(*out, ids["LoRA"])
    assert code == 2 and "is not the file it was" in said and not out[3].exists()


def test_mistakes_are_one_sentence(tmp_path, made, export):
    made(SoftPrompt(2))
    given = ["--backbone", WORLD, "--adapter", tmp_path / "adapter", "--out", tmp_path / "new"]
    cases = {
        "cannot be merged into it": [*given, "--merge"],
        "adapter_config.json": [*given[:3], tmp_path, *given[4:]],
        "either --results and --run, or": given[2:],
        "has no such run": ["--results", tmp_path, "--run", "abc", *given[4:]],
    }
    for expected, arguments in cases.items():
        code, said = export(*arguments)
        assert code == 2 and said.startswith("error: ") and expected in said, said
        assert len(said.strip().splitlines()) == 1
    for expected, arguments in {
        "--out": given[:4],
        "float8": [*given, "--dtype", "float8"],
    }.items():
        code, said = export(*arguments)
        assert code == 2 and expected in said
    assert not (tmp_path / "new").exists()
