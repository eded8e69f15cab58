"""The checkpoints that the tests of this folder run over: tiny random ones, and real ones."""

import pytest

from research.models.backbone import load_backbone
from tests import checkpoints
from tests.parity.backbones import with_head


@pytest.fixture
def checkpoint(request, tmp_path):
    """`checkpoint(name)`: the folder of a variant, written here, or of a real checkpoint."""

    def folder(name):
        if name in checkpoints.VARIANTS:
            return checkpoints.write(tmp_path / "written", name)
        return request.getfixturevalue("shared") / "models" / name

    return folder


@pytest.fixture
def loaded(checkpoint, tmp_path):
    """`loaded(name, head)`: the backbone; with a classification head, if so asked."""

    def load(name, head=False):
        plain = load_backbone(str(checkpoint(name)))
        return with_head(plain, tmp_path / "classifier") if head else plain

    return load
