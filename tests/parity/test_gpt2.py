"""What only GPT-2 has: learned positions of left-padded rows, and beside given embeddings."""

from pathlib import Path

import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.models.backbone import load_backbone
from tests import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.parity.reference import theirs  # noqa: E402


@pytest.fixture
def backbone(tmp_path):
    return load_backbone(str(checkpoints.write(tmp_path / "written", "gpt2")))


def ours(backbone, inputs, positions, valid):
    """Logits [B, T, V]."""
    variables = {"params": unflatten_dict(backbone.params, sep="/")}
    hidden, _ = backbone.model.apply(variables, inputs, positions, valid)
    return np.asarray(backbone.model.apply(variables, hidden, method="logits"))


def reference(backbone, valid, **inputs):
    """Logits [B, T, V] of transformers."""
    named = {name: torch.tensor(np.asarray(x)) for name, x in inputs.items()}
    with torch.no_grad():
        model = theirs(Path(backbone.name))
        return model(attention_mask=torch.tensor(valid).long(), **named).logits.numpy()


def test_left_padded_rows_with_their_positions(backbone):
    tokens = checkpoints.inputs(backbone.model)["tokens"]
    valid = np.arange(24)[None] >= np.asarray([0, 5, 9])[:, None]
    positions = np.maximum(np.cumsum(valid, axis=1) - 1, 0).astype(np.int32)
    found = ours(backbone, tokens, positions, valid)
    expected = reference(
        backbone,
        valid,
        input_ids=tokens.astype(np.int64),
        position_ids=positions.astype(np.int64),
    )
    np.testing.assert_allclose(found[valid], expected[valid], atol=1e-4, rtol=0)


def test_embeddings_in_front_of_tokens(backbone):
    """As a soft prompt stands there: positions are added to it as to tokens."""
    given = checkpoints.inputs(backbone.model)
    prompt = np.random.default_rng(2).normal(size=(3, 4, 24)).astype(np.float32)
    table = np.asarray(backbone.params["embed/embedding"])
    embedded = np.concatenate([prompt, table[given["tokens"]]], axis=1)
    valid = np.concatenate([np.ones((3, 4), bool), given["valid"]], axis=1)
    positions = np.tile(np.arange(28, dtype=np.int32), (3, 1))
    found = ours(backbone, embedded, positions, valid)
    expected = reference(backbone, valid, inputs_embeds=embedded)
    np.testing.assert_allclose(found[valid], expected[valid], atol=1e-4, rtol=0)
