"""Adapters that PEFT made, on models whose weights are drawn by name: the logits that PEFT gave."""

import json
from pathlib import Path

import numpy as np
import pytest

from research.interop.peft import load_adapter
from research.models.backbone import load_backbone
from tests import checkpoints
from tests.interop.predict import adapted_logits

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", sorted(folder.parent.name for folder in GOLDEN.glob("*/*.npy")))
def test_logits_are_those_of_peft(tmp_path, name):
    folder = GOLDEN / name
    variant = json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"]
    backbone = load_backbone(str(checkpoints.write(tmp_path / "backbone", variant)))
    model, params = backbone.model, backbone.params
    methods, leaves = load_adapter(folder, model, params)
    given = checkpoints.inputs(model)
    logits = adapted_logits(model, methods, {**params, **leaves}, given)
    expected = np.load(folder / "logits.npy")
    mine = logits[1, :7] if logits.ndim == 3 else logits[1]
    assert expected.std() > 0.1
    np.testing.assert_allclose(mine, expected, atol=1e-4, rtol=0)


def test_there_are_golden_adapters():
    assert len(list(GOLDEN.glob("*/logits.npy"))) == 6
