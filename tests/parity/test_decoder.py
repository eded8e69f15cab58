"""What only decoders have: configs of older versions, left padding, rows that continue a memory."""

import json
from pathlib import Path

import numpy as np
import pytest
from flax.traverse_util import unflatten_dict

from research.models.backbone import load_backbone
from tests import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.parity.reference import assert_equal_logits, theirs  # noqa: E402


def test_a_config_of_older_versions_means_the_same(checkpoint):
    folder = checkpoint("llama, wide heads, other base")
    config = folder / "config.json"
    fields = transformers.LlamaConfig.from_json_file(config).to_dict()
    del fields["rope_parameters"]
    older = {**fields, "rope_theta": 300.0, "rope_scaling": None, "torch_dtype": "float32"}
    before = load_backbone(str(folder)).model.config
    config.write_text(json.dumps(older))
    assert load_backbone(str(folder)).model.config == before
    assert_equal_logits(folder)


def test_left_padded_rows_continued_after_a_memory(checkpoint):
    backbone = load_backbone(str(checkpoint("llama, grouped keys")))
    tokens = checkpoints.inputs(backbone.model)["tokens"]
    valid = np.arange(24)[None] >= np.asarray([0, 5, 9])[:, None]
    positions = np.maximum(np.cumsum(valid, axis=1) - 1, 0).astype(np.int32)
    variables = {"params": unflatten_dict(backbone.params, sep="/")}
    half = (tokens[:, :12], positions[:, :12], valid[:, :12])
    rest = (tokens[:, 12:], positions[:, 12:], valid[:, 12:])
    _, memory = backbone.model.apply(variables, *half)
    hidden, _ = backbone.model.apply(variables, *rest, (memory,))
    ours = backbone.model.apply(variables, hidden, method="logits")
    with torch.no_grad():
        expected = theirs(Path(backbone.name))(
            input_ids=torch.tensor(tokens, dtype=torch.long),
            attention_mask=torch.tensor(valid).long(),
            position_ids=torch.tensor(positions, dtype=torch.long),
        ).logits.numpy()
    np.testing.assert_allclose(ours, expected[:, 12:], atol=1e-4, rtol=0)


WINDOWED = [
    "mistral",
    "qwen2, windows in upper layers",
    "qwen3, biases, windows in some layers",
    "olmo3",
    "phi3",
    "gemma3",
]


@pytest.mark.parametrize("variant", WINDOWED)
def test_a_window_reaches_across_memories_that_rows_share(checkpoint, variant):
    """One frame of seven, in two memories, and three rows that continue it."""
    backbone = load_backbone(str(checkpoint(variant)))
    variables = {"params": unflatten_dict(backbone.params, sep="/")}
    tokens = checkpoints.inputs(backbone.model)["tokens"]
    tokens[:, :7] = tokens[0, :7]
    places = np.tile(np.arange(24, dtype=np.int32), (3, 1))
    valid = np.ones(tokens.shape, bool)
    memories = ()
    for rows, part in ((1, slice(0, 4)), (1, slice(4, 7)), (3, slice(7, None))):
        given = (x[:rows, part] for x in (tokens, places, valid))
        hidden, memory = backbone.model.apply(variables, *given, memories)
        memories += (memory,)
    ours = backbone.model.apply(variables, hidden, method="logits")
    with torch.no_grad():
        whole = theirs(Path(backbone.name))(input_ids=torch.tensor(tokens, dtype=torch.long))
    np.testing.assert_allclose(ours, whole.logits.numpy()[:, 7:], atol=1e-4, rtol=0)
