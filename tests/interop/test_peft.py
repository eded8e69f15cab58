"""What a PEFT folder may hold and may not, without PEFT."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from research.common.errors import InputError
from research.interop.options import FIXED, READ, SILENT
from research.interop.peft import load_adapter, save_adapter
from research.methods.dora import DoRA
from research.methods.full import Full
from research.methods.head import Head
from research.methods.ia3 import IA3
from research.methods.lora import LoRA
from research.methods.prefix import PrefixTuning
from research.methods.soft_prompt import SoftPrompt
from tests import checkpoints
from tests.thorough import cases
from tests.tiny import decoder, with_method

QUERY = "base_model.model.model.layers.{}.self_attn.q_proj.lora_{}.weight"


@pytest.fixture
def made(tmp_path):
    """`made(method)`: (folder, model, params, leaves) of an adapter that we wrote."""
    model, params = decoder()

    def make(*methods):
        leaves = dict(params)
        for method in methods:
            leaves = with_method(method, leaves)
        save_adapter(tmp_path / "adapter", "base", model, methods, leaves)
        return tmp_path / "adapter", model, params, leaves

    return make


def change(folder, **fields) -> None:
    """Sets fields of adapter_config.json; None removes one."""
    file = folder / "adapter_config.json"
    config = json.loads(file.read_text()) | fields
    file.write_text(json.dumps({name: value for name, value in config.items() if value != "gone"}))


def tensors_of(folder):
    return load_file(folder / "adapter_model.safetensors")


def write_tensors(folder, tensors) -> None:
    save_file(tensors, folder / "adapter_model.safetensors")


def test_lora_has_the_names_and_shapes_of_peft(made):
    folder, model, _, leaves = made(LoRA(rank=3, alpha=6.0, targets=("query", "down")))
    stored = tensors_of(folder)
    np.testing.assert_array_equal(
        stored[QUERY.format(1, "A")], np.asarray(leaves["lora:layers_1/attention/query/a"]).T
    )
    assert stored[QUERY.format(1, "B")].shape == (model.config.heads * 6, 3)
    assert len(stored) == 2 * 2 * 2
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["target_modules"] == ["down_proj", "q_proj"]
    assert (config["r"], config["lora_alpha"], config["task_type"]) == (3, 6.0, "CAUSAL_LM")


def test_a_masked_lm_is_named_by_its_class(tmp_path):
    """`AutoPeftModelForFeatureExtraction` would load the bare model, whose names are others."""
    model, params = checkpoints.drawn("bert")
    leaves = with_method(LoRA(rank=3), params)
    save_adapter(tmp_path / "adapter", "base", model, [LoRA(rank=3)], leaves)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    library = "transformers.models.bert.modeling_bert"
    mapping = {"base_model_class": "BertForMaskedLM", "parent_library": library}
    assert config["task_type"] is None and config["auto_mapping"] == mapping
    _, again = load_adapter(tmp_path / "adapter", model, params)
    assert again.keys() == {path for path in leaves if ":" in path}


def test_layers_that_share_no_ending_are_named_in_full(made):
    folder, model, params, leaves = made(LoRA(rank=3, targets=("query",)))
    kept = {path: leaf for path, leaf in leaves.items() if "lora:layers_0" not in path}
    save_adapter(folder.parent / "one", "base", model, [LoRA(rank=3)], kept)
    config = json.loads((folder.parent / "one" / "adapter_config.json").read_text())
    assert config["target_modules"] == ["model.layers.1.self_attn.q_proj"]
    _, again = load_adapter(folder.parent / "one", model, params)
    assert set(again) == {path for path in kept if ":" in path}


@pytest.mark.parametrize(
    "fields",
    [
        {"peft_type": "LOHA"},
        {"task_type": "SEQ_CLS"},
        {"task_type": "SEQ_2_SEQ_LM"},
        {"use_qalora": True},
        {"bias": "some"},
        {"lora_bias": True},
        {"trainable_token_indices": [3]},
        {"layer_replication": [[0, 1]]},
        {"layers_pattern": {"a": 1}, "layers_to_transform": [0]},
        {"megatron_config": {"a": 1}},
        {"modules_to_save": ["lm_head"]},
        {"init_lora_weights": "pissa"},
        {"some_option_of_tomorrow": 3},
        {"r": "three"},
        {"r": None},
        {"lora_alpha": 0},
        {"rank_pattern": [3]},
        {"rank_pattern": {"q_proj": 0}},
        {"alpha_pattern": {"(": 3}},
        {"target_modules": "(q_proj"},
        {"target_modules": {"q_proj": 1}},
        {"target_modules": None},
        {"target_modules": ["nothing"]},
    ],
    ids=str,
)
def test_options_that_are_not_supported_are_named(made, fields):
    folder, model, params, _ = made(LoRA(rank=3, targets=("query",)))
    change(folder, **fields)
    name, *_ = fields
    with pytest.raises(InputError) as caught:
        load_adapter(folder, model, params)
    said = str(caught.value)
    assert name in said


@pytest.mark.parametrize(
    "fields",
    [
        {"use_dora": False},
        {"megatron_core": "megatron.core", "loftq_config": {}, "lora_bias": False},
        {"some_option_of_tomorrow": None},
        {"task_type": "gone"},
        {"base_model_name_or_path": "gone"},
        {"fan_in_fan_out": True},
        {"modules_to_save": ["classifier", "score"]},
        {"bias": "all"},
        {"layers_pattern": "layers", "layers_to_transform": [0, 1]},
        {"init_lora_weights": "gaussian"},
        {"target_modules": r".*\.(0|1)\.self_attn\.q_proj"},
        {"exclude_modules": ["v_proj"], "target_modules": ["q_proj", "v_proj"]},
        {"layers_to_transform": [0, 1]},
    ],
    ids=str,
)
def test_options_that_change_nothing_are_fine(made, fields):
    folder, model, params, leaves = made(LoRA(rank=3, targets=("query",)))
    change(folder, **fields)
    _, again = load_adapter(folder, model, params)
    for path, leaf in again.items():
        np.testing.assert_array_equal(np.asarray(leaf), np.asarray(leaves[path]))
    assert len(again) == 4


def test_scales_of_single_layers_are_in_their_factors(made):
    folder, model, params, leaves = made(LoRA(rank=4, alpha=2.0, targets=("query",)))
    change(folder, alpha_pattern={"layers.1.self_attn.q_proj": 6.0}, use_rslora=True)
    (method,), again = load_adapter(folder, model, params)
    assert isinstance(method, LoRA) and method.alpha == 2.0
    # alpha / sqrt(4) instead of alpha / 4, and three times that in layer 1.
    for layer, ratio in ((0, 2.0), (1, 6.0)):
        path = f"lora:layers_{layer}/attention/query/"
        np.testing.assert_array_equal(np.asarray(again[path + "a"]), np.asarray(leaves[path + "a"]))
        np.testing.assert_allclose(
            np.asarray(again[path + "b"]), ratio * np.asarray(leaves[path + "b"]), rtol=1e-6
        )


def test_every_tensor_is_accounted_for(made):
    folder, model, params, _ = made(LoRA(rank=3, targets=("query",)))
    stored = tensors_of(folder)
    stored.pop(QUERY.format(0, "B"))
    stored[QUERY.format(1, "A")] = np.zeros((2, 16), np.float32)
    stored["base_model.model.lm_head.weight"] = np.zeros((2, 2), np.float32)
    write_tensors(folder, stored)
    with pytest.raises(InputError) as caught:
        load_adapter(folder, model, params)
    said = str(caught.value)
    assert f"1 missing: {QUERY.format(0, 'B')}" in said
    assert f"1 of shape (2, 16) instead of (3, 16): {QUERY.format(1, 'A')}" in said
    assert "1 of shape (2, 2) instead of (23, 16): base_model.model.lm_head.weight" in said
    stored["base_model.model.other.weight"] = np.zeros((2, 2), np.float32)
    write_tensors(folder, stored)
    with pytest.raises(InputError, match="1 surplus: base_model.model.other.weight"):
        load_adapter(folder, model, params)


@pytest.mark.parametrize("method", [LoRA(rank=3, targets=("query",)), SoftPrompt(2)])
def test_an_adapter_of_another_backbone_is_told_by_name_and_shape(made, method):
    folder, _, _, _ = made(method)
    model, params = decoder(width=20)
    with pytest.raises(InputError, match=r"'base', the backbone is 'ours'") as caught:
        load_adapter(folder, model, params, "ours")
    assert "(3, 16) instead of (3, 20)" in str(caught.value) or "(2, 16) instead of (2, 20)" in str(
        caught.value
    )


def test_a_prefix_of_another_backbone(made):
    folder, _, _, _ = made(PrefixTuning(2))
    for changes, field in (({"layers": 3}, "num_layers"), ({"head_width": 8}, "token_dim")):
        model, params = decoder(**changes)
        with pytest.raises(InputError, match="'base', the backbone is 'ours'") as caught:
            load_adapter(folder, model, params, "ours")
        assert caught.value.field == field


def test_a_projected_prefix_is_stored_finished(made):
    folder, model, params, leaves = made(PrefixTuning(2))
    change(folder, prefix_projection=True)
    _, again = load_adapter(folder, model, params)
    np.testing.assert_array_equal(again["prefix:/keys"], leaves["prefix:/keys"])


def test_finished_embeddings_of_p_tuning_are_a_soft_prompt(made):
    folder, model, params, leaves = made(SoftPrompt(2))
    change(folder, peft_type="P_TUNING", encoder_reparameterization_type="MLP", encoder_dropout=0.1)
    methods, again = load_adapter(folder, model, params)
    assert methods == (SoftPrompt(2),)
    np.testing.assert_array_equal(again["soft_prompt:/prompt"], leaves["soft_prompt:/prompt"])


NORM = "model.layers.0.input_layernorm"


@pytest.mark.parametrize("saved", [["input_layernorm"], None])
def test_leaves_of_the_backbone_are_read_where_they_trained(made, saved):
    """Equal ones, as PEFT stores beside layers that it adapts, are no part of the adapter."""
    folder, model, params, _ = made(LoRA(rank=3, targets=("query",)))
    stored, leaf = tensors_of(folder), np.asarray(params["layers_0/attention_norm/scale"])
    table = np.asarray(params["embed/embedding"])
    stored["base_model.model.model.embed_tokens.base_layer.weight"] = table
    stored[f"base_model.model.{NORM}.weight"] = leaf + 1
    stored[f"base_model.model.{NORM.replace('0', '1')}.weight"] = np.asarray(
        params["layers_1/attention_norm/scale"]
    )
    write_tensors(folder, stored)
    change(folder, modules_to_save=saved)
    if saved is None:
        with pytest.raises(InputError, match=f"{NORM}.weight.*neither bias nor modules_to_save"):
            load_adapter(folder, model, params)
        return
    _, again = load_adapter(folder, model, params)
    assert {path for path in again if ":" not in path} == {"layers_0/attention_norm/scale"}
    np.testing.assert_array_equal(again["layers_0/attention_norm/scale"], leaf + 1)


@pytest.mark.parametrize(
    ("saved", "pattern"),
    [
        ("norm", r".*_norm/scale"),
        ("mlp", r"layers_\d/mlp/\w+/kernel"),
        ("layers.0", r"layers_0/.*"),
        ("nothing", "nothing"),
    ],
)
def test_modules_are_saved_by_the_end_of_their_name(made, saved, pattern):
    """Also those inside; PEFT compares letters, not parts of names, and takes what there is."""
    folder, model, params, _ = made(LoRA(rank=3, targets=("query",)))
    stored = tensors_of(folder)
    if saved == "layers.0":  # inside which PEFT adapts no layer
        stored = {name: x for name, x in stored.items() if ".0." not in name}
    added, expected = {}, {path for path in params if re.fullmatch(pattern, path)}
    for path in expected:
        key = model.KEY_MAP.key(path)
        array = np.ascontiguousarray(key.transpose(np.asarray(params[path]) + 1))
        added[f"base_model.model.{key.tensor}"] = array
    write_tensors(folder, {**stored, **added})
    change(folder, modules_to_save=[saved])
    _, leaves = load_adapter(folder, model, params)
    assert {path for path in leaves if ":" not in path} == expected
    assert sum(":" in path for path in leaves) == len(stored)
    if added:
        name, _ = added.popitem()
        write_tensors(folder, {**stored, **added})
        name = name.removeprefix("base_model.model.")
        with pytest.raises(InputError, match=f"modules_to_save is {saved!r}: 1 missing: {name}"):
            load_adapter(folder, model, params)


def test_biases_of_a_head_are_stored_by_several_names(tmp_path):
    """With `bias: all`; those of the backbone's head are among them, which nothing reads."""
    model, params = checkpoints.drawn("roberta")
    leaves = with_method(Head(), with_method(LoRA(), params))
    save_adapter(tmp_path / "a", "base", model, [LoRA(), Head()], leaves)
    stored = tensors_of(tmp_path / "a")
    for layer in ("dense", "out_proj"):
        bias = stored[f"base_model.model.classifier.{layer}.bias"]
        for name, array in (("modules_to_save.default", bias), ("original_module", bias + 1)):
            stored[f"base_model.model.classifier.{name}.{layer}.bias"] = array
    write_tensors(tmp_path / "a", stored)
    change(tmp_path / "a", bias="all")
    _, again = load_adapter(tmp_path / "a", model, params)
    assert again.keys() == {path for path in leaves if ":" in path}
    for path, leaf in again.items():
        np.testing.assert_array_equal(leaf, leaves[path])
    stored["base_model.model.classifier.modules_to_save.default.other.bias"] = bias
    write_tensors(tmp_path / "a", stored)
    with pytest.raises(InputError, match="1 surplus: .*other.bias"):
        load_adapter(tmp_path / "a", model, params)


@pytest.mark.parametrize("bare", [False, True])
def test_layers_pattern_names_the_list_of_layers(made, bare):
    """Also where the adapter's model had no output layer, so that names begin with the list."""
    folder, model, params, _ = made(LoRA(rank=3, targets=("query",)))
    base = "base_model.model." if bare else ""
    stored = {
        base + name.removeprefix("base_model.model.model.") if bare else name: x
        for name, x in tensors_of(folder).items()
        if ".layers.1." in name
    }
    write_tensors(folder, stored)
    change(folder, layers_pattern="layers", layers_to_transform=[1])
    _, leaves = load_adapter(folder, model, params)
    assert {path.split("/")[0] for path in leaves} == {"lora:layers_1"} and len(leaves) == 2


EMBED, HEAD = "base_model.model.model.embed_tokens.weight", "base_model.model.lm_head.weight"


@pytest.mark.parametrize(
    ("saved", "apart"),
    [
        ({HEAD: 1.0}, {"head/kernel": 1.0}),
        ({EMBED: 1.0}, {"embed/embedding": 1.0, "head/kernel": 0.0}),
        ({EMBED: 1.0, HEAD: 2.0}, {"embed/embedding": 1.0, "head/kernel": 2.0}),
        ({EMBED: 1.0, HEAD: 0.0}, {"embed/embedding": 1.0, "head/kernel": 0.0}),
        ({EMBED: 1.0, HEAD: 1.0}, {"embed/embedding": 1.0}),
        ({EMBED: 0.0, HEAD: 0.0}, {}),
    ],
)
def test_tied_layers_are_apart_where_the_tensors_differ(made, saved, apart):
    """PEFT leaves the layer that is not saved as it is; numbers are added to the table."""
    folder, model, params, _ = made(LoRA(rank=3, targets=("query",)))
    assert model.config.tied
    table = np.asarray(params["embed/embedding"])
    write_tensors(folder, {**tensors_of(folder), **{n: table + x for n, x in saved.items()}})
    change(folder, modules_to_save=[name.split(".")[-2] for name in saved])
    _, leaves = load_adapter(folder, model, params)
    whole = {path: leaf for path, leaf in leaves.items() if ":" not in path}
    assert whole.keys() == apart.keys()
    for path, number in apart.items():
        expected = table + np.float32(number)
        np.testing.assert_array_equal(whole[path], expected.T if "head" in path else expected)


def test_a_tie_that_peft_keeps_is_named_once(made):
    """By `ensure_weight_tying`: the output layer is stored as well, and not named."""
    folder, model, params, _ = made(LoRA(rank=3, targets=("query",)))
    table = np.asarray(params["embed/embedding"]) + 1
    write_tensors(folder, {**tensors_of(folder), EMBED: table, HEAD: table})
    change(folder, modules_to_save=["model.embed_tokens"], ensure_weight_tying=True)
    _, leaves = load_adapter(folder, model, params)
    assert {path for path in leaves if ":" not in path} == {"embed/embedding"}
    write_tensors(folder, {**tensors_of(folder), EMBED: table, HEAD: table + 1})
    with pytest.raises(InputError, match="neither bias nor modules_to_save names it"):
        load_adapter(folder, model, params)


def test_lora_on_a_tied_output_layer_separates_it(made):
    folder, model, params, _ = made(LoRA(rank=3, targets=("query",)))
    table, ones = np.asarray(params["embed/embedding"]), np.ones((23, 3), np.float32)
    layer = HEAD.removesuffix("weight")
    added = {f"{layer}base_layer.weight": table, f"{layer}lora_A.weight": ones[:16].T.copy()}
    write_tensors(folder, {**tensors_of(folder), **added, f"{layer}lora_B.weight": ones})
    change(folder, target_modules=["q_proj", "lm_head"])
    _, leaves = load_adapter(folder, model, params)
    np.testing.assert_array_equal(leaves["head/kernel"], table.T)
    assert leaves["lora:head/b"].shape == (3, 23)


# Table, and the tensor that the backbone ties to it and that is no output layer of its own.
TIES = {
    "bert": ("bert.embeddings.word_embeddings.weight", "cls.predictions.decoder.weight"),
    "roberta": ("roberta.embeddings.word_embeddings.weight", "lm_head.decoder.weight"),
    "t5": ("shared.weight", "decoder.embed_tokens.weight"),
    "t5 encoder": ("shared.weight", "encoder.embed_tokens.weight"),
}


@pytest.mark.parametrize("variant", TIES)
def test_tied_layers_that_cannot_differ(tmp_path, variant):
    model, params = checkpoints.drawn(variant)
    save_adapter(tmp_path / "a", "base", model, [LoRA()], with_method(LoRA(), params))
    table, copy = TIES[variant]
    ours, stored = params["embed/embedding"], tensors_of(tmp_path / "a")
    change(tmp_path / "a", modules_to_save=[table.split(".")[-2]])

    def leaves(*values):
        names = [f"base_model.model.{name}" for name in (table, copy)]
        write_tensors(tmp_path / "a", {**stored, **dict(zip(names, values, strict=False))})
        return load_adapter(tmp_path / "a", model, params)[1]

    assert "embed/embedding" not in leaves(ours)
    for values in ((ours + 1,), (ours + 1, ours)):
        with pytest.raises(InputError, match=f"in PEFT .* and {table} then differ"):
            leaves(*values)
    if variant != "t5":  # which has a third tensor
        np.testing.assert_array_equal(leaves(ours + 1, ours + 1)["embed/embedding"], ours + 1)


def test_a_classifier_without_the_masked_lm_head_has_a_table_of_its_own(tmp_path):
    model, params = checkpoints.drawn("roberta")
    leaves = with_method(Head(), with_method(LoRA(), params))
    save_adapter(tmp_path / "a", "base", model, [LoRA(), Head()], leaves)
    name = f"base_model.model.{TIES['roberta'][0]}"
    write_tensors(
        tmp_path / "a", {**tensors_of(tmp_path / "a"), name: params["embed/embedding"] + 1}
    )
    change(tmp_path / "a", modules_to_save=["classifier", "word_embeddings"])
    _, again = load_adapter(tmp_path / "a", model, params)
    np.testing.assert_array_equal(again["embed/embedding"], params["embed/embedding"] + 1)


def test_numbers_that_are_none_are_refused(made):
    folder, model, params, _ = made(SoftPrompt(2))
    write_tensors(folder, {"prompt_embeddings": np.full((2, 16), np.nan, np.float32)})
    with pytest.raises(InputError, match="1 with numbers that are not finite: prompt_embeddings"):
        load_adapter(folder, model, params)


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_file_that_is_not_there_is_named(made, name):
    folder, model, params, _ = made(SoftPrompt(2))
    (folder / name).unlink()
    with pytest.raises(InputError, match=name):
        load_adapter(folder, model, params)


@pytest.mark.parametrize(
    "methods",
    [
        (),
        (Full(),),
        (LoRA(rank=2), SoftPrompt(2)),
        (LoRA(rank=2), Full()),
    ],
    ids=lambda methods: " and ".join(method.name for method in methods) or "none",
)
def test_methods_that_peft_cannot_express_leave_no_folder(made, tmp_path, methods):
    with pytest.raises(InputError, match="PEFT has dora, ia3, "):
        made(*methods)
    assert not list(tmp_path.iterdir())


def test_a_head_that_transformers_has_not(tmp_path):
    model, params = decoder()
    leaves = with_method(LoRA(rank=2), params)
    leaves |= {"head:/kernel": np.zeros((16, 2)), "head:/bias": np.zeros(2)}
    with pytest.raises(InputError, match="head.pool"):
        save_adapter(tmp_path / "new", "base", model, [LoRA(rank=2), Head("mean")], leaves)
    assert not list(tmp_path.iterdir())


def test_a_folder_with_something_in_it_is_left_alone(made):
    folder, model, _, leaves = made(SoftPrompt(2))
    before = tensors_of(folder)["prompt_embeddings"]
    with pytest.raises(InputError, match="a folder that is empty"):
        save_adapter(folder, "base", model, [SoftPrompt(2)], {k: 2 * v for k, v in leaves.items()})
    np.testing.assert_array_equal(tensors_of(folder)["prompt_embeddings"], before)


WRONG = [None, True, 0, -1, 1, 3, 10**12, 1e308, float("nan"), "", "x", "(", "lora", [], [1]]
WRONG += [["x"], [None], [[]], {}, {"a": 1}, {"q_proj": []}, {"q_proj": 10**30}, {"(": 1}]


@pytest.mark.parametrize(
    "method",
    cases(
        [LoRA(rank=3), DoRA(rank=2), IA3(), SoftPrompt(2), PrefixTuning(2)], quick=(LoRA(rank=3),)
    ),
    ids=lambda method: method.name,
)
def test_any_value_of_any_option(made, method):
    """The adapter is read as it is, or refused in one sentence."""
    folder, model, params, _ = made(method)
    file = folder / "adapter_config.json"
    config, refused = json.loads(file.read_text()), 0
    for name in sorted({*config, *SILENT, *FIXED, *(READ["LORA"] | READ["IA3"])}):
        for value in WRONG:
            file.write_text(json.dumps({**config, name: value}))
            try:
                load_adapter(folder, model, params)
            except InputError as error:
                assert "\n" not in str(error) and len(str(error)) < 1500
                refused += 1
    assert refused > 40


def test_a_dropout_that_is_no_share_is_refused(made):
    folder, model, params, _ = made(LoRA(rank=3))
    change(folder, lora_dropout=1.5)
    with pytest.raises(InputError, match="lora_dropout is 1.5: a share from 0 to below 1"):
        load_adapter(folder, model, params)
