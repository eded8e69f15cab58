"""T5's encoder alone: its checkpoints."""

import json

import numpy as np
import pytest
from safetensors.numpy import load_file

from research.models.backbone import load_backbone
from research.models.t5.encoder import T5Encoder
from tests import checkpoints

transformers = pytest.importorskip("transformers")
pytest.importorskip("torch")

from tests.parity.reference import assert_equal_logits, their_logits, theirs  # noqa: E402

VARIANTS = ["t5 encoder", "t5 1.1 encoder"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_transformers_saves_is_the_same_model(checkpoint, tmp_path, variant):
    folder = checkpoint(variant)
    theirs(folder).save_pretrained(tmp_path / "again")
    before, after = load_backbone(str(folder)), load_backbone(str(tmp_path / "again"))
    assert after.model == before.model
    for path, leaf in before.params.items():
        np.testing.assert_array_equal(after.params[path], leaf, err_msg=path)


def test_the_encoder_of_mt5(checkpoint):
    folder = checkpoint("t5 1.1 encoder")
    fields = json.loads((folder / "config.json").read_text())
    del fields["feed_forward_proj"]
    fields |= {"model_type": "mt5", "architectures": ["MT5EncoderModel"]}
    (folder / "config.json").write_text(json.dumps(fields))
    assert_equal_logits(folder)


def test_the_encoder_of_a_whole_checkpoint(checkpoint):
    """By its class alone: transformers leaves the decoder out as well."""
    folder = checkpoint("t5")
    fields = json.loads((folder / "config.json").read_text())
    fields["architectures"] = ["T5EncoderModel"]
    (folder / "config.json").write_text(json.dumps(fields))
    assert any("decoder" in name for name in load_file(folder / "model.safetensors"))
    backbone = load_backbone(str(folder))
    assert isinstance(backbone.model, T5Encoder)
    given = checkpoints.inputs(backbone.model)
    reference = transformers.T5EncoderModel.from_pretrained(folder).eval()
    expected = their_logits(reference, given).detach().numpy()
    ours = np.asarray(checkpoints.logits(backbone.model, backbone.params, given))
    valid = given["valid"]
    assert expected[valid].std() > 0.1
    np.testing.assert_allclose(ours[valid], expected[valid], atol=1e-4, rtol=0)
