"""Adapters of PEFT load here and ours load in PEFT: equal logits both ways."""

import copy

import jax
import numpy as np
import pytest

from research.common.errors import InputError
from research.interop.peft import load_adapter, save_adapter
from research.methods.adalora import AdaLoRA
from research.methods.adapted import Adapted
from research.methods.encoder_output import encode_rows
from research.methods.lora import LoRA, RankOf
from research.methods.shared.leaves import add, added_to
from research.methods.vera import VeRA
from research.models.backbone import load_backbone, save_backbone
from scripts.export import merge
from tests import checkpoints
from tests.interop.predict import NOTHING, adapted_logits, method
from tests.parity.backbones import CLASSES, cases, family, spread
from tests.tiny import WORDS, with_method

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from tests.parity import peft_models  # noqa: E402  # it imports both
from tests.parity.reference import their_logits, theirs  # noqa: E402

KINDS = ["lora", "dora", "ia3", "soft_prompt", "prefix"]
# transformers has no head for T5's encoder, which reads no prefix there.
ALONE = [("t5 encoder", kind) for kind in KINDS if kind != "prefix"]
# The layers that PEFT adapts; those of other families are named as in Llama.
TARGETS = {
    "gpt2": ["c_attn", "c_proj"],
    "phi3": ["qkv_proj", "down_proj"],
    "gpt_neox": ["query_key_value", "dense_4h_to_h"],
    "t5": ["q", "v", "wo"],
    "bert": ["query", "dense"],
    "roberta": ["query", "dense"],
}
# Of IA3; the last reads what is scaled.
SCALED = {
    "gpt2": ["c_attn", "mlp.c_proj"],
    "phi3": ["qkv_proj", "down_proj"],
    "gpt_neox": ["query_key_value", "dense_4h_to_h"],
    "t5": ["k", "v", "wo"],
    "bert": ["key", "value", "output.dense"],
    "roberta": ["key", "value", "output.dense"],
}


def peft_config(kind: str, backbone, **options):
    """A config of PEFT; sizes that it would guess wrong for T5 are given."""
    task, config = peft_models.task_type(backbone), backbone.model.config
    if kind in ("lora", "dora"):
        targets = TARGETS.get(family(backbone), ["q_proj", "v_proj", "down_proj"])
        options = {"r": 3, "lora_alpha": 5, "target_modules": targets, **options}
        options |= {"use_dora": kind == "dora"}
        return peft.LoraConfig(task_type=task, **options)
    if kind == "ia3":
        scaled = SCALED.get(family(backbone), ["k_proj", "v_proj", "down_proj"])
        options = {"target_modules": scaled, "feedforward_modules": scaled[-1:], **options}
        return peft.IA3Config(task_type=task, **options)
    if kind == "soft_prompt":
        return peft.PromptTuningConfig(task_type=task, num_virtual_tokens=4, **options)
    if backbone.model.ROUTE == "seq2seq":
        options |= {
            "num_layers": config.decoder_layers,
            "token_dim": config.heads * config.head_width,
            "num_attention_heads": config.heads,
        }
    return peft.PrefixTuningConfig(task_type=task, num_virtual_tokens=3, **options)


def assert_equal(backbone, methods, leaves, theirs) -> None:
    """Equal logits, which are not those of the backbone.

    Scores of T5 are not scaled, so that float32 alone is as far off as the tolerance there: theirs
    are of float64.
    """
    given = peft_models.given(backbone)
    ours = adapted_logits(backbone.model, methods, {**backbone.params, **leaves}, given)
    if family(backbone) == "t5":
        theirs = copy.deepcopy(theirs).double()
    models = (theirs, peft_models.torch_model(backbone))
    expected, plain = (their_logits(model, given).detach().numpy() for model in models)
    if ours.ndim == 3:
        valid = checkpoints.outputs_valid(given)
        ours, expected, plain = ours[valid], expected[valid], plain[valid]
    assert np.abs(expected - plain).max() > 0.02
    np.testing.assert_allclose(ours, expected, atol=1e-4, rtol=0)


def assert_theirs_loads(folder, backbone, config):
    """What PEFT makes of `config`, moved to random values, is the same model here."""
    theirs = peft.get_peft_model(peft_models.torch_model(backbone), config)
    theirs = peft_models.randomised(theirs, spread(backbone))
    theirs.save_pretrained(folder)
    methods, leaves = load_adapter(folder, backbone.model, backbone.params)
    assert_equal(backbone, methods, leaves, theirs)
    return methods, leaves


def assert_ours_loads(folder, backbone, methods):
    """What we write is the same model in PEFT, and the same adapter here."""
    leaves = dict(backbone.params)
    for one in methods:
        leaves = with_method(one, leaves, moved=spread(backbone))
    own = {path: leaf for path, leaf in leaves.items() if ":" in path}
    save_adapter(folder, backbone.name, backbone.model, methods, leaves)
    assert_equal(backbone, methods, own, peft_models.reloaded(backbone, folder))
    again, read = load_adapter(folder, backbone.model, backbone.params)
    assert read.keys() == own.keys()
    assert [type(one) for one in again] == [type(one) for one in methods]
    for path, leaf in own.items():
        np.testing.assert_array_equal(np.asarray(read[path]), np.asarray(leaf), err_msg=path)


@pytest.mark.parametrize(("name", "kind"), [*cases(KINDS, real=KINDS), *ALONE])
def test_both_ways(loaded, tmp_path, name, kind):
    backbone = loaded(name, head="head" in kind)
    config = peft_config(kind.removesuffix(", head"), backbone)
    found, _ = assert_theirs_loads(tmp_path / "theirs", backbone, config)
    methods = method(kind, family(backbone))
    assert [one.name for one in found] == [one.name for one in methods]
    assert_ours_loads(tmp_path / "ours", backbone, methods)


def hidden_states(backbone, methods, leaves, given) -> np.ndarray:
    """[3, 24, D] of an adapted encoder."""
    adapted = Adapted(backbone.model, methods, {**backbone.params, **leaves})
    zero = np.zeros((), np.int32)
    read = encode_rows(adapted, given["tokens"], given["valid"], NOTHING, zero, given["types"])
    return np.asarray(read.hidden[:, read.prompt_embeddings :])


EXPORTED = [*KINDS, "lora_fa", "pissa"]
# Of a soft prompt it loads the whole T5.
NAMED = [case for case in ALONE if "soft_prompt" not in case]


@pytest.mark.parametrize(("name", "kind"), [*cases(EXPORTED, real=["lora"]), *NAMED])
def test_an_export_works_in_the_loader_that_it_names(loaded, tmp_path, name, kind):
    backbone = loaded(name, head="head" in kind)
    methods, leaves = method(kind, family(backbone)), dict(backbone.params)
    for one in methods:
        leaves = with_method(one, leaves, moved=spread(backbone))
    save_adapter(tmp_path / "ours", backbone.name, backbone.model, methods, leaves)
    theirs = peft_models.by_its_config(tmp_path / "ours", CLASSES)
    added = {path: leaf for path, leaf in leaves.items() if ":" in path}
    if theirs.peft_config["default"].task_type != "FEATURE_EXTRACTION":
        return assert_equal(backbone, methods, added, theirs)
    given = peft_models.given(backbone)
    ours, plain = (
        hidden_states(backbone, *adapter, given) for adapter in ((methods, added), ((), {}))
    )
    inputs = {"input_ids": given["tokens"], "attention_mask": given["valid"]}
    tensors = {name: torch.tensor(x).long() for name, x in inputs.items()}
    expected = theirs(**tensors).last_hidden_state.detach().numpy()[:, -ours.shape[1] :]
    valid = given["valid"]
    assert np.abs(expected - plain)[valid].max() > 0.02
    np.testing.assert_allclose(ours[valid], expected[valid], atol=1e-4, rtol=0)


def test_an_adapter_of_a_bare_encoder_names_its_layers_as_that_does(loaded, tmp_path):
    backbone = loaded("all-MiniLM-L6-v2")
    options = {"rank": 2, "alpha": 4.0, "ranks": (RankOf("layers_0/attention/query", 3),)}
    methods = (LoRA(**options),)
    leaves = with_method(methods[0], backbone.params, moved=spread(backbone))
    added = {path: leaf for path, leaf in leaves.items() if ":" in path}
    save_adapter(tmp_path / "ours", backbone.name, backbone.model, methods, leaves)
    theirs, given = peft_models.by_its_config(tmp_path / "ours", 0), peft_models.given(backbone)
    names = {"tokens": "input_ids", "valid": "attention_mask"}
    inputs = {other: torch.tensor(given[name]).long() for name, other in names.items()}
    ours = hidden_states(backbone, methods, added, given)
    expected = theirs(**inputs).last_hidden_state.detach().numpy()
    valid = given["valid"]
    assert np.abs(expected - hidden_states(backbone, (), {}, given))[valid].max() > 0.02
    np.testing.assert_allclose(ours[valid], expected[valid], atol=1e-4, rtol=0)
    _, again = load_adapter(tmp_path / "ours", backbone.model, backbone.params)
    assert again.keys() == added.keys()
    for path, leaf in added.items():
        np.testing.assert_array_equal(again[path], leaf)


@pytest.mark.parametrize("kind", ["lora_fa", "pissa"])
def test_relatives_of_lora_are_written_as_lora(loaded, tmp_path, kind):
    """PiSSA as LoRA of twice the rank on the unchanged backbone, as PEFT converts it."""
    backbone = loaded("llama, grouped keys")
    methods = method(kind)
    leaves = with_method(methods[0], backbone.params, moved=spread(backbone))
    save_adapter(tmp_path / "ours", backbone.name, backbone.model, methods, leaves)
    added = {path: leaf for path, leaf in leaves.items() if ":" in path}
    assert_equal(backbone, methods, added, peft_models.reloaded(backbone, tmp_path / "ours"))
    again, read = load_adapter(tmp_path / "ours", backbone.model, backbone.params)
    assert_equal(backbone, again, read, peft_models.reloaded(backbone, tmp_path / "ours"))


def test_pissa_starts_as_in_peft(loaded):
    """The same update of the kernel, whatever the signs of singular vectors."""
    backbone = loaded("llama, grouped keys")
    config = peft_config("lora", backbone, init_lora_weights="pissa")
    theirs = peft.get_peft_model(peft_models.torch_model(backbone), config).state_dict()
    start = LoRA(rank=3, alpha=5.0, targets=("query", "value", "down"), start="pissa")
    leaves = added_to(start, add(start, jax.random.PRNGKey(0), backbone.params, WORDS))
    for path, leaf in leaves.items():
        name = backbone.model.KEY_MAP.key(f"{path}/kernel").tensor.removesuffix(".weight")
        a, b = (theirs[f"base_model.model.{name}.lora_{x}.default.weight"] for x in "AB")
        ours = np.asarray(leaf["a"] @ leaf["b"])
        np.testing.assert_allclose(ours, (b @ a).T.numpy(), rtol=0, atol=1e-4, err_msg=path)


def their_vera(backbone, leaves):
    """The matrices and vectors that `leaves` have, in PEFT's VeRA."""
    targets = ["q_proj", "v_proj", "down_proj"]
    config = peft.VeraConfig(task_type=peft_models.task_type(backbone), r=3, target_modules=targets)
    model = peft.get_peft_model(peft_models.torch_model(backbone), config)
    state = model.state_dict()
    for name in state:
        if ".vera_A." in name or ".vera_B." in name:
            ours = "matrix_a" if ".vera_A." in name else "matrix_b"
            state[name] = torch.tensor(np.asarray(leaves[f"vera:/{ours}"]).T.copy())
    for path, leaf in leaves.items():
        if path.startswith("vera:layers_"):
            layer, _, vector = path.removeprefix("vera:").rpartition("/")
            name = backbone.model.KEY_MAP.key(f"{layer}/kernel").tensor.removesuffix(".weight")
            key = f"base_model.model.{name}.vera_lambda_{vector}.default"
            assert key in state
            state[key] = torch.tensor(np.asarray(leaf))
    model.load_state_dict(state)
    return model.eval()


def their_adalora(backbone, leaves):
    """The factors that `leaves` have, in PEFT's AdaLoRA, whose scale is alpha / (R + 1e-5)."""
    config = peft.AdaLoraConfig(
        task_type=peft_models.task_type(backbone),
        init_r=3,
        lora_alpha=5,
        total_step=10,
        target_modules=["q_proj", "v_proj", "down_proj"],
    )
    model = peft.get_peft_model(peft_models.torch_model(backbone), config)
    state = model.state_dict()
    names = {"p": ("lora_A", lambda x: x.T), "values": ("lora_E", lambda x: x[:, None])}
    names["q"] = ("lora_B", lambda x: x.T)
    for path, leaf in leaves.items():
        if path.startswith("adalora:"):
            layer, _, factor = path.removeprefix("adalora:").rpartition("/")
            name = backbone.model.KEY_MAP.key(f"{layer}/kernel").tensor.removesuffix(".weight")
            key = f"base_model.model.{name}.{names[factor][0]}.default"
            assert key in state
            state[key] = torch.tensor(names[factor][1](np.asarray(leaf)).copy())
    model.load_state_dict(state)
    return model.eval()


RELATIVES = {
    "vera": (VeRA(rank=3, targets=("query", "value", "down")), their_vera),
    "adalora": (AdaLoRA(rank=3, alpha=5.0, targets=("query", "value", "down")), their_adalora),
}


@pytest.mark.parametrize("name", RELATIVES)
def test_relatives_of_lora_compute_what_peft_computes(loaded, name):
    backbone = loaded("llama, grouped keys")
    own, theirs = RELATIVES[name]
    leaves = with_method(own, backbone.params, moved=spread(backbone))
    added = {path: leaf for path, leaf in leaves.items() if ":" in path}
    assert_equal(backbone, (own,), added, theirs(backbone, added))


LORA_OPTIONS = {
    "patterns of ranks and scales": {
        "rank_pattern": {"q_proj": 2, r"layers\.1\.mlp\.down_proj": 5},
        "alpha_pattern": {"layers.0.self_attn.v_proj": 11},
    },
    "rank-stabilised": {"use_rslora": True, "rank_pattern": {"v_proj": 4}},
    "regular expression": {"target_modules": r".*\.1\.(self_attn\.[kv]_proj|mlp\.gate_proj)"},
    "one layer": {"layers_to_transform": [1], "exclude_modules": ["v_proj"]},
}


@pytest.mark.parametrize("name", LORA_OPTIONS)
def test_options_of_lora(loaded, tmp_path, name):
    variant = "llama, grouped keys"
    backbone = loaded(variant)
    config = peft_config("lora", backbone, **LORA_OPTIONS[name])
    methods, leaves = assert_theirs_loads(tmp_path / "theirs", backbone, config)
    save_adapter(tmp_path / "again", backbone.name, backbone.model, methods, leaves)
    theirs = peft_models.reloaded(backbone, tmp_path / "again")
    assert_equal(backbone, methods, leaves, theirs)


WHOLE = {
    "output layer": {"target_modules": ["q_proj", "lm_head"]},
    "saved output layer": {"modules_to_save": ["lm_head"]},
    "saved table": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "layers by their list": {"layers_to_transform": [1], "layers_pattern": "layers"},
    "modules by the end of their names": {"modules_to_save": ["input_layernorm", "norm"]},
    "modules inside": {"modules_to_save": ["mlp"]},
}


@pytest.mark.parametrize("name", WHOLE)
def test_leaves_of_the_backbone_beside_lora(loaded, tmp_path, name):
    backbone = loaded("llama, grouped keys")
    config = peft_config("lora", backbone, **WHOLE[name])
    assert_theirs_loads(tmp_path / "theirs", backbone, config)


TIED = "llama, one key head, tied"
# (variant, options, whether the output layer is then apart from the table of token embeddings)
SEPARATED = {
    "output layer": (TIED, {"target_modules": ["q_proj", "lm_head"]}, True),
    "saved output layer": (TIED, {"modules_to_save": ["lm_head"]}, True),
    "saved table": (TIED, {"modules_to_save": ["embed_tokens"]}, True),
    "both saved": (TIED, {"modules_to_save": ["embed_tokens", "lm_head"]}, True),
    "saved table, output layer": (
        TIED,
        {"modules_to_save": ["embed_tokens"], "target_modules": ["q_proj", "lm_head"]},
        True,
    ),
    "saved output layer, tied": (
        TIED,
        {"modules_to_save": ["lm_head"], "ensure_weight_tying": True},
        False,
    ),
    "saved table, tied": (
        TIED,
        {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
        False,
    ),
    "both saved, tied": (
        TIED,
        {"modules_to_save": ["embed_tokens", "lm_head"], "ensure_weight_tying": True},
        False,
    ),
    "gpt2, saved table": ("gpt2", {"modules_to_save": ["wte"]}, True),
    "gpt2, saved output layer": ("gpt2", {"modules_to_save": ["lm_head"]}, True),
    "t5, saved output layer": ("t5", {"modules_to_save": ["lm_head"]}, True),
    "t5, output layer": ("t5", {"target_modules": ["q", "lm_head"]}, True),
}


@pytest.mark.parametrize("name", SEPARATED)
def test_tied_layers_that_an_adapter_separates(loaded, tmp_path, name):
    """PEFT leaves the layer that it does not train as it is."""
    variant, options, apart = SEPARATED[name]
    backbone = loaded(variant)
    assert backbone.model.config.tied
    config = peft_config("lora", backbone, **options)
    methods, leaves = assert_theirs_loads(tmp_path / "theirs", backbone, config)
    assert ("head/kernel" in leaves) == apart
    model, params = merge(backbone, methods, leaves)
    save_backbone(tmp_path / "merged", model, params)
    again = load_backbone(str(tmp_path / "merged"))
    assert again.model.config.tied != apart
    given = peft_models.given(backbone)
    merged = their_logits(theirs(tmp_path / "merged"), given).detach().numpy()
    expected = adapted_logits(backbone.model, methods, {**backbone.params, **leaves}, given)
    ours = adapted_logits(again.model, (), again.params, given)
    valid = checkpoints.outputs_valid(given)
    for found in (merged, ours):
        np.testing.assert_allclose(found[valid], expected[valid], atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("variant", "module"), [("bert", "word_embeddings"), ("bert", "decoder"), ("t5", "shared")]
)
def test_tied_layers_that_differ_where_they_cannot(loaded, tmp_path, variant, module):
    backbone = loaded(variant)
    config = peft_config("lora", backbone, modules_to_save=[module])
    theirs = peft.get_peft_model(peft_models.torch_model(backbone), config)
    peft_models.randomised(theirs).save_pretrained(tmp_path / "theirs")
    with pytest.raises(InputError, match=f"modules_to_save is .*{module}.* then differ"):
        load_adapter(tmp_path / "theirs", backbone.model, backbone.params)


@pytest.mark.parametrize("bias", ["all", "lora_only"])
def test_biases_that_train_beside_lora(loaded, tmp_path, bias):
    backbone = loaded("llama, biases")
    _, leaves = assert_theirs_loads(
        tmp_path / "theirs", backbone, peft_config("lora", backbone, bias=bias)
    )
    assert any(path.endswith("/bias") for path in leaves)


@pytest.mark.parametrize("variant", ["bert", "roberta"])
def test_biases_that_train_beside_a_head(loaded, tmp_path, variant):
    backbone = loaded(variant, head=True)
    config = peft_config("lora", backbone, bias="all", modules_to_save=["classifier", "pooler"])
    assert_theirs_loads(tmp_path / "theirs", backbone, config)


@pytest.mark.parametrize("variant", ["llama, grouped keys", "t5", "bert"])
@pytest.mark.parametrize("kind", ["p-tuning", "projection"])
def test_prompts_from_an_encoder_are_stored_finished(loaded, tmp_path, variant, kind):
    backbone = loaded(variant)
    if kind == "projection" and variant == "t5":
        pytest.skip("its sizes are those that PEFT guesses wrong")
    if kind == "projection":
        config = peft_config("prefix", backbone, prefix_projection=True, encoder_hidden_size=24)
    else:
        config = peft.PromptEncoderConfig(
            task_type=peft_models.task_type(backbone), num_virtual_tokens=4, encoder_hidden_size=8
        )
    assert_theirs_loads(tmp_path / "theirs", backbone, config)


def test_layers_kept_as_in_out_say_so(loaded, tmp_path):
    backbone = loaded("gpt2")
    config = peft_config("lora", backbone, fan_in_fan_out=True)
    assert_theirs_loads(tmp_path / "theirs", backbone, config)


def test_adapters_of_the_model_without_a_head(loaded, tmp_path):
    """Names then lack what those of the model with a head begin with."""
    variant = "llama, grouped keys"
    backbone = loaded(variant)
    config = peft_config("lora", backbone)
    config.task_type = "FEATURE_EXTRACTION"
    whole = peft_models.torch_model(backbone)
    theirs = peft_models.randomised(peft.get_peft_model(whole.model, config), spread(backbone))
    theirs.save_pretrained(tmp_path / "bare")
    methods, leaves = load_adapter(tmp_path / "bare", backbone.model, backbone.params)
    assert_equal(backbone, methods, leaves, whole)  # its layers are adapted in place


def test_prompts_for_encoder_and_decoder(loaded, tmp_path):
    """PEFT makes both by default and reads the first."""
    backbone = loaded("t5")
    config = peft_config("soft_prompt", backbone, num_transformer_submodules=2)
    _, leaves = assert_theirs_loads(tmp_path / "both", backbone, config)
    assert leaves["soft_prompt:/prompt"].shape == (4, 16)
