"""BitFit: which biases train, how many there are, and that the model is exported with them."""

import jax
import numpy as np
import pytest

from research.common.errors import InputError
from research.methods.bitfit import BitFit
from research.methods.shared.leaves import mask
from research.methods.shared.merging import merged
from research.models import MODELS
from research.models.backbone import load_backbone, save_backbone, shapes
from tests import checkpoints
from tests.tiny import decoder


def test_the_biases_train_and_a_masked_head_does_not():
    model, leaves = checkpoints.drawn("bert")
    trained = {path for path, is_so in mask((BitFit(),), leaves).items() if is_so}
    assert trained == {p for p in leaves if p.endswith("/bias") and not p.startswith("head/")}
    assert {"embed_norm/bias", "layers_1/attention_norm/bias", "layers_0/mlp/up/bias"} <= trained
    assert "head/bias" in leaves


def test_as_many_as_published():
    """Table 1: 0.08 % of BERT large, whose biases are 24 x 11,264 in the layers and 2 x 1,024."""
    large = dict(hidden_size=1024, num_hidden_layers=24, num_attention_heads=16)
    fields = checkpoints.VARIANTS["bert"] | large | dict(vocab_size=30522)
    fields |= dict(intermediate_size=4096, max_position_embeddings=512)
    sizes = shapes(MODELS["bert"].from_hf({**fields, "architectures": ["BertModel"]}))
    counts = {path: int(np.prod(shape)) for path, shape in sizes.items()}
    trained = sum(counts[path] for path, is_so in mask((BitFit(),), sizes).items() if is_so)
    assert trained == 24 * 11_264 + 2 * 1_024
    assert round(100 * trained / sum(counts.values()), 2) == 0.08


def test_a_model_without_biases_is_refused():
    _, params = decoder()
    with pytest.raises(InputError, match="method is 'bitfit': the backbone has no biases"):
        mask((BitFit(),), params)


def test_what_it_trained_is_saved_as_a_model(tmp_path):
    model, leaves = checkpoints.drawn("bert")
    moved = {p: leaf + 0.1 for p, leaf in leaves.items() if mask((BitFit(),), leaves)[p]}
    whole = merged((BitFit(),), {**leaves, **moved})
    save_backbone(tmp_path / "model", model, whole)
    again = load_backbone(str(tmp_path / "model"))
    given = checkpoints.inputs(model)
    found = checkpoints.logits(again.model, again.params, given)
    expected = checkpoints.logits(model, {**leaves, **moved}, given)
    np.testing.assert_array_equal(found, expected)
    assert not jax.numpy.allclose(expected, checkpoints.logits(model, leaves, given), atol=1e-2)
