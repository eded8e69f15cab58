"""Every tensor of a checkpoint file is used, or named in an error."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from research.common.errors import InputError
from research.models.backbone import load_backbone, shapes
from research.models.checkpoint.weights import SINGLE, read_weights, write_weights
from tests import checkpoints

LAYER = "model.layers.1."


@pytest.fixture
def stored(make, tmp_path):
    """`stored(**config changes)`: (model, params, folder) with the parameters in the folder."""

    def store(**changes):
        model, params = make(**changes)
        write_weights(tmp_path / SINGLE, model.KEY_MAP, params, np.float32)
        return model, params, tmp_path

    return store


def edit(folder, change):
    tensors = load_file(folder / SINGLE)
    change(tensors)
    save_file(tensors, folder / SINGLE)


def read(model, folder, dtype=np.float32):
    return read_weights(folder, model.KEY_MAP, shapes(model), dtype)


def complaint(model, folder):
    with pytest.raises(InputError) as error:
        read(model, folder)
    return str(error.value)


@pytest.mark.parametrize("tied", [True, False])
def test_what_is_written_is_read(stored, tied):
    model, params, folder = stored(tied=tied, attention_bias=True, mlp_bias=True)
    found = read(model, folder)
    assert found.keys() == params.keys()
    for path, leaf in params.items():
        np.testing.assert_array_equal(found[path], leaf)
    assert ("lm_head.weight" in load_file(folder / SINGLE)) != tied


def test_kernels_are_transposed_and_named_as_torch_has_them(stored):
    _, params, folder = stored()
    tensors = load_file(folder / SINGLE)
    np.testing.assert_array_equal(
        tensors[LAYER + "self_attn.k_proj.weight"],
        np.asarray(params["layers_1/attention/key/kernel"]).T,
    )
    np.testing.assert_array_equal(tensors["model.embed_tokens.weight"], params["embed/embedding"])


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
def test_half_precision_files_are_read_exactly(stored, kind):
    model, params, folder = stored()
    dtype = jnp.dtype(kind)
    write_weights(folder / SINGLE, model.KEY_MAP, params, dtype)
    for path, leaf in read(model, folder).items():
        assert leaf.dtype == np.float32
        np.testing.assert_array_equal(
            leaf, np.asarray(params[path]).astype(dtype).astype(np.float32)
        )


def test_all_that_is_wrong_is_told_at_once(stored):
    model, _, folder = stored(attention_bias=True)

    def change(tensors):
        for layer in (0, 1):
            del tensors[f"model.layers.{layer}.mlp.up_proj.weight"]
        tensors["model.norm.weight"] = np.ones(5, np.float32)
        tensors["model.layers.7.extra"] = np.ones(2, np.float32)
        tensors["score.weight"] = np.ones(2, np.float32)
        tensors[LAYER + "input_layernorm.weight"] = np.ones(16, np.int8)

    edit(folder, change)
    told = complaint(model, folder)
    for part in (
        "2 missing: model.layers.{0,1}.mlp.up_proj.weight",
        "1 of shape (5,) instead of (16,): model.norm.weight",
        "1 of type I8: model.layers.1.input_layernorm.weight",
        "2 surplus: model.layers.7.extra, score.weight",
        str(folder),
    ):
        assert part in told


def test_a_transposed_kernel_is_a_wrong_shape_as_the_file_has_it(stored):
    model, _, folder = stored()
    name = LAYER + "mlp.up_proj.weight"
    edit(folder, lambda t: t.update({name: np.ascontiguousarray(t[name].T)}))
    assert f"1 of shape (16, 24) instead of (24, 16): {name}" in complaint(model, folder)


def test_computed_buffers_of_old_checkpoints_are_known(stored):
    model, params, folder = stored()
    buffer = {LAYER + "self_attn.rotary_emb.inv_freq": np.ones(3, np.float32)}
    edit(folder, lambda tensors: tensors.update(buffer))
    assert read(model, folder).keys() == params.keys()


def test_a_tied_head_may_stand_beside_or_instead_of_the_embedding_if_it_is_equal(stored):
    model, params, folder = stored()
    edit(folder, lambda t: t.update({"lm_head.weight": t["model.embed_tokens.weight"]}))
    read(model, folder)
    edit(folder, lambda t: t.pop("model.embed_tokens.weight"))
    np.testing.assert_array_equal(read(model, folder)["embed/embedding"], params["embed/embedding"])
    edit(folder, lambda t: t.update({"model.embed_tokens.weight": t["lm_head.weight"] + 1}))
    assert "1 not equal to model.embed_tokens.weight" in complaint(model, folder)
    edit(folder, lambda t: t.update({"lm_head.weight": np.ones((2, 16), np.float32)}))
    assert "of shape (2, 16) instead of (23, 16): lm_head.weight" in complaint(model, folder)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_tensors_with_numbers_that_are_not_finite_are_named(stored, value):
    model, _, folder = stored()

    def change(tensors):
        for layer in (0, 1):
            tensors[f"model.layers.{layer}.mlp.up_proj.weight"][5, 7] = value
        tensors["model.norm.weight"][-1] = value

    edit(folder, change)
    told = complaint(model, folder)
    assert "3 with numbers that are not finite: " in told
    assert "model.norm.weight" in told and "model.layers.{0,1}.mlp.up_proj.weight" in told


def test_a_number_that_the_type_cannot_hold_is_not_finite(stored):
    model, _, folder = stored()
    edit(folder, lambda tensors: tensors["model.norm.weight"].fill(1e5))
    read(model, folder)
    with pytest.raises(InputError, match="1 with numbers that are not finite: model.norm.weight"):
        read(model, folder, np.float16)


def test_a_tied_head_that_is_not_finite_is_named_for_that(stored):
    model, _, folder = stored()

    def change(tensors):
        tensors["model.embed_tokens.weight"][0, 0] = np.nan
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]

    edit(folder, change)
    assert "1 with numbers that are not finite: model.embed_tokens.weight" in complaint(
        model, folder
    )


def test_an_untied_head_must_be_there(stored):
    model, _, folder = stored(tied=False)
    edit(folder, lambda tensors: tensors.pop("lm_head.weight"))
    assert "1 missing: lm_head.weight" in complaint(model, folder)


def shard(folder, first):
    """Splits the file in two shards with an index; `first` names what the first one holds."""
    tensors = load_file(folder / SINGLE)
    (folder / SINGLE).unlink()
    weight_map = {name: f"model-{2 - first(name)}.safetensors" for name in tensors}
    for file in set(weight_map.values()):
        save_file(
            {n: tensors[n] for n, where in weight_map.items() if where == file}, folder / file
        )
    index = folder / f"{SINGLE}.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    return index


def test_shards_are_read_through_their_index(stored):
    model, params, folder = stored()
    index = shard(folder, lambda name: "layers.0" in name)
    for path, leaf in read(model, folder).items():
        np.testing.assert_array_equal(leaf, params[path])
    save_file({"model.norm.weight": np.ones(16, np.float32)}, folder / "model-1.safetensors")
    assert "another shard holds model.norm.weight too" in complaint(model, folder)
    (folder / "model-1.safetensors").unlink()
    assert "model-1.safetensors" in complaint(model, folder)
    for broken in ("{", "[]", "{}"):
        index.write_text(broken)
        assert "index.json" in complaint(model, folder)


@pytest.mark.parametrize(
    "damage", [lambda b: b"", lambda b: b[:50], lambda b: b[:-1], lambda b: b"x" * 99]
)
def test_a_damaged_file_is_named(stored, damage):
    model, _, folder = stored()
    whole = (folder / SINGLE).read_bytes()
    (folder / SINGLE).write_bytes(damage(whole))
    told = complaint(model, folder)
    assert str(folder / SINGLE) in told and "damaged" in told


HEADS = [
    ("bert", "BertForTokenClassification", {"classifier.weight": (3, 24), "classifier.bias": (3,)}),
    ("roberta", "RobertaForQuestionAnswering", {"qa_outputs.weight": (2, 24)}),
    ("gpt2", "GPT2ForSequenceClassification", {"score.weight": (3, 24)}),
]


@pytest.mark.parametrize(("variant", "architecture", "head"), HEADS)
def test_a_head_for_another_task_is_ignored_and_told_once(
    tmp_path, capsys, variant, architecture, head
):
    folder = checkpoints.write(tmp_path / "model", variant)
    config = {**checkpoints.VARIANTS[variant], "architectures": [architecture]}
    (folder / "config.json").write_text(json.dumps(config))
    whole = load_backbone(str(folder)).params

    def change(tensors):
        tensors |= {name: np.ones(shape, np.float32) for name, shape in head.items()}

    edit(folder, change)
    for told in (f"{', '.join(sorted(head))} belong to a head that is not used", ""):
        backbone = load_backbone(str(folder))
        assert backbone.params.keys() == whole.keys() and not backbone.model.head_shapes()
        error = capsys.readouterr().err
        assert error.strip() == (f"{folder}: {told}" if told else "")
    edit(folder, lambda tensors: tensors.update({"other_head.weight": np.ones(2, np.float32)}))
    with pytest.raises(InputError, match="1 surplus: other_head.weight"):
        load_backbone(str(folder))
