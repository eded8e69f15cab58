"""Names that checkpoints of one family give the same tensor."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from research.common.errors import InputError
from research.models.checkpoint.key_map import Key, KeyMap
from research.models.checkpoint.weights import SINGLE, read_weights, tensor_names

KEY_MAP = KeyMap(
    keys=(
        Key("net.words.weight", "embed/embedding"),
        Key("net.layers.{i}.norm.weight", "layers_{i}/norm/scale"),
        Key("net.layers.{i}.norm.bias", "layers_{i}/norm/bias"),
        Key("out.weight", "head/kernel", True),
        Key("out.bias", "head/bias"),
        Key("score.weight", "head:/kernel", True),
    ),
    copies={
        "out.weight": "net.words.weight",
        "net.encoder.words.weight": "net.words.weight",
        "out.copy.bias": "out.bias",
    },
    ignored=("net.layers.{i}.buffer", "relation.weight"),
    base="net.",
)
SHAPES = {"embed/embedding": (5, 4), "layers_0/norm/scale": (4,), "layers_0/norm/bias": (4,)}
TABLE = np.arange(20, dtype=np.float32).reshape(5, 4)
SCALE, BIAS = np.full(4, 2, np.float32), np.full(4, 3, np.float32)
STORED = {
    "net.words.weight": TABLE,
    "net.layers.0.norm.weight": SCALE,
    "net.layers.0.norm.bias": BIAS,
}


def read(folder, stored, shapes=SHAPES):
    save_file(stored, folder / SINGLE)
    return read_weights(folder, KEY_MAP, shapes, np.float32)


def complaint(folder, stored, shapes=SHAPES):
    with pytest.raises(InputError) as error:
        read(folder, stored, shapes)
    return str(error.value)


def renamed(change):
    return {change(name): tensor for name, tensor in STORED.items()}


@pytest.mark.parametrize(
    "change",
    [
        lambda name: name,
        lambda name: name.removeprefix("net."),
        lambda name: name.replace("norm.weight", "norm.gamma").replace("norm.bias", "norm.beta"),
        lambda name: name.removeprefix("net.").replace("norm.bias", "norm.beta"),
    ],
)
def test_bare_models_and_old_norms_are_the_same_tensors(tmp_path, change):
    found = read(tmp_path, {**renamed(change), change("net.layers.0.buffer"): np.ones(2)})
    np.testing.assert_array_equal(found["embed/embedding"], TABLE)
    np.testing.assert_array_equal(found["layers_0/norm/scale"], SCALE)
    np.testing.assert_array_equal(found["layers_0/norm/bias"], BIAS)
    assert set(tensor_names(tmp_path, KEY_MAP)) == {*STORED, "net.layers.0.buffer"}


def test_a_tensor_stands_under_one_name_only(tmp_path):
    told = complaint(tmp_path, {**STORED, "layers.0.norm.gamma": SCALE})
    assert "1 another spelling of " in told and "layers.0.norm.gamma" in told


def test_only_names_of_the_layout_are_known(tmp_path):
    told = complaint(tmp_path, {**STORED, "other.gamma": SCALE, "net.score.weight": SCALE})
    assert "2 surplus: " in told and "other.gamma" in told and "net.score.weight" in told
    assert "1 surplus: net.layers.x.buffer" in complaint(
        tmp_path, {**STORED, "net.layers.x.buffer": SCALE}
    )
    read(tmp_path, {**STORED, "relation.weight": SCALE})


@pytest.mark.parametrize("prefix", ["net.", ""])
def test_several_copies_of_one_tensor_are_equal_or_the_only_one(tmp_path, prefix):
    copies = {"out.weight": TABLE, f"{prefix}encoder.words.weight": TABLE}
    read(tmp_path, {**STORED, **copies})
    alone = {name: tensor for name, tensor in STORED.items() if "words" not in name}
    for name in copies:
        found = read(tmp_path, {**alone, name: TABLE})
        np.testing.assert_array_equal(found["embed/embedding"], TABLE)
    assert "1 missing: net.words.weight" in complaint(tmp_path, alone)
    told = complaint(tmp_path, {**STORED, **{name: TABLE + 1 for name in copies}})
    assert "2 not equal to net.words.weight, to which the config ties it: out.weight, " in told
    told = complaint(tmp_path, {**STORED, **copies, "out.weight": TABLE.T.copy()})
    assert "1 of shape (4, 5) instead of (5, 4): out.weight" in told


def test_a_tensor_with_its_own_leaf_is_no_copy(tmp_path):
    shapes = {**SHAPES, "head/kernel": (4, 5)}
    found = read(tmp_path, {**STORED, "out.weight": TABLE + 1}, shapes)
    np.testing.assert_array_equal(found["head/kernel"], (TABLE + 1).T)
    assert "1 missing: out.weight" in complaint(tmp_path, STORED, shapes)


def test_a_copy_of_what_the_model_lacks_is_surplus(tmp_path):
    assert "1 surplus: out.copy.bias" in complaint(tmp_path, {**STORED, "out.copy.bias": SCALE})
    found = read(tmp_path, {**STORED, "out.copy.bias": SCALE}, {**SHAPES, "head/bias": (4,)})
    np.testing.assert_array_equal(found["head/bias"], SCALE)


def test_a_leaf_without_a_name_is_refused():
    assert KEY_MAP.key("layers_12/norm/scale").tensor == "net.layers.12.norm.weight"
    assert KEY_MAP.key("head:/kernel") == Key("score.weight", "head:/kernel", True)
    with pytest.raises(InputError, match="layers_x/norm/scale"):
        KEY_MAP.key("layers_x/norm/scale")
