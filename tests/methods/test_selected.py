"""Methods that train leaves the backbone has: its norms, or those that patterns pick."""

import pytest

from research.common import user_regex
from research.common.errors import InputError
from research.methods.norms import Norms
from research.methods.selected import Selected
from research.methods.shared.leaves import mask
from tests import checkpoints
from tests.tiny import decoder


def test_norms_of_heads_train_and_that_of_a_masked_head_does_not():
    for variant, own in (("qwen3, grouped keys, tied", "key_norm"), ("bert", "embed_norm")):
        _, params = checkpoints.drawn(variant)
        chosen = {path for path, is_so in mask((Norms(),), params).items() if is_so}
        assert chosen == {p for p in params if "_norm/" in p}
        assert any(own in path for path in chosen)


def test_selected_leaves():
    _, params = decoder()
    chosen = mask((Selected((r"layers_1/attention/.*", "embed/embedding")),), params)
    names = {"query", "key", "value", "out"}
    assert {path for path, is_so in chosen.items() if is_so} == {
        "embed/embedding",
        *(f"layers_1/attention/{name}/kernel" for name in names),
    }


@pytest.mark.parametrize(
    ("leaves", "message"),
    [
        ((), r"selected.leaves is \(\): at least one pattern"),
        (("gone",), "selected.leaves is 'gone': it fits nothing"),
        (("*",), "selected.leaves is .*: it is no regular expression"),
        ((r"(.|..|...)+\d",), "it takes too long to find out whether it fits "),
    ],
)
def test_patterns_that_are_none(leaves, message, monkeypatch):
    monkeypatch.setattr(user_regex, "SECONDS", 0.05)
    with pytest.raises(InputError, match=message):
        mask((Selected(leaves),), decoder()[1])
