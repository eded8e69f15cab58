"""Every family and variant, and real models, against transformers in float32."""

import numpy as np
import pytest

from research.models.backbone import load_backbone, load_tokenizer, save_backbone
from tests import checkpoints
from tests.parity.backbones import DECODERS, rotates

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.parity.reference import (  # noqa: E402
    assert_equal_logits,
    their_logits,
    their_loss,
    their_parameters,
    theirs,
)


@pytest.mark.parametrize("name", checkpoints.VARIANTS)
def test_logits_loss_and_gradients(checkpoint, name):
    folder = checkpoint(name)
    backbone, reference = load_backbone(str(folder)), theirs(folder)
    model, given = backbone.model, checkpoints.inputs(backbone.model)
    labels, valid = checkpoints.labels(model, given), checkpoints.outputs_valid(given)
    (loss, logits), grads = checkpoints.loss_and_grads(model, backbone.params, given, labels)
    found = their_logits(reference, given)
    expected = their_loss(found, labels, given)
    expected.backward()
    whole = found.detach().numpy()[valid]
    assert whole.std() > 0.1
    np.testing.assert_allclose(np.asarray(logits)[valid], whole, atol=1e-4, rtol=0)
    assert float(loss) == pytest.approx(expected.item(), rel=1e-5)
    named = their_parameters(reference)
    assert len(named) == len(grads)
    for path, grad in grads.items():
        key = model.KEY_MAP.key(path)
        theirs_here = named[key.tensor].grad
        ours_here = key.transpose(np.asarray(grad))
        if theirs_here is None:  # nothing in the loss depends on it, such as a pooler
            assert not ours_here.any(), path
            continue
        scale = theirs_here.abs().max().item()
        assert scale > 0, path
        if path.endswith("attention/key/bias") and not rotates(model, path):
            # It moves all scores of a query alike, so it has no gradient: both are rounding errors.
            scale = float(np.abs(grads[path.replace("bias", "kernel")]).max())
        np.testing.assert_allclose(
            ours_here, theirs_here.numpy(), atol=1e-4 * scale, rtol=0, err_msg=path
        )


@pytest.mark.parametrize("name", DECODERS)
def test_logits_of_real_models(checkpoint, name):
    assert_equal_logits(checkpoint(name))


@pytest.mark.parametrize("variant", checkpoints.VARIANTS)
def test_what_we_save_is_the_same_model_to_transformers(checkpoint, tmp_path, variant):
    source = checkpoint(variant)
    backbone, reference = load_backbone(str(source)), theirs(source)
    for module in reference.modules():  # GPT-2's order of operations is not saved: it only rounds
        if hasattr(module, "reorder_and_upcast_attn"):
            module.reorder_and_upcast_attn = False
    save_backbone(tmp_path / "float32", backbone.model, backbone.params)
    given = checkpoints.inputs(backbone.model)
    with torch.no_grad():
        expected = their_logits(reference, given)
        again = their_logits(theirs(tmp_path / "float32"), given)
    assert torch.equal(again, expected)
    assert load_backbone(str(tmp_path / "float32")).model == backbone.model
    save_backbone(tmp_path / "half", backbone.model, backbone.params, dtype="bfloat16")
    half = type(reference).from_pretrained(tmp_path / "half", dtype="auto").state_dict()
    for name, tensor in reference.state_dict().items():
        assert torch.equal(half[name], tensor.bfloat16()), name


@pytest.mark.parametrize("name", ["reviews-lm", "tinystories-656k"])
def test_a_real_model_and_its_tokenizer_survive_our_export(checkpoint, tmp_path, name):
    source = checkpoint(name)
    backbone = load_backbone(str(source))
    tokenizer = load_tokenizer(str(source), backbone.model)
    save_backbone(tmp_path / "model", backbone.model, backbone.params, tokenizer)
    given = checkpoints.inputs(backbone.model)
    with torch.no_grad():
        expected = their_logits(theirs(source), given)
        again = their_logits(theirs(tmp_path / "model"), given)
    assert torch.equal(again, expected)
    text = "Once upon a time, there was a film\n that nobody had  seen."
    loaded = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert loaded.encode(text) == tokenizer.encode(text)
