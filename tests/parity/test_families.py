"""Every family and variant against the model of transformers, in float32."""

import json

import numpy as np
import pytest

from research.models.backbone import load_backbone, load_tokenizer, save_backbone
from tests import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

REAL = ["reviews-lm", "stories260K", "tinystories-656k"]


@pytest.fixture
def written(tmp_path):
    """`written(variant)`: the folder of that checkpoint."""
    return lambda variant: checkpoints.write(tmp_path / "written", variant)


def theirs(folder):
    """The reference, float32, with every tensor of the folder used and none invented."""
    [name] = json.loads((folder / "config.json").read_text())["architectures"]
    model, report = getattr(transformers, name).from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return model.eval()


def their_logits(model, given):
    whole = {name: torch.tensor(np.asarray(x)).long() for name, x in given.items()}
    named = {
        "input_ids": whole["tokens"],
        "attention_mask": whole["valid"],
        "decoder_input_ids": whole.get("target"),
        "decoder_attention_mask": whole.get("target_valid"),
        "token_type_ids": whole.get("types"),
    }
    return model(**{name: x for name, x in named.items() if x is not None}).logits


def their_loss(logits, labels, given):
    """Cross-entropy summed over the real positions."""
    marked = torch.tensor(np.where(checkpoints.outputs_valid(given), labels, -100))
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), marked.flatten(), reduction="sum"
    )


def assert_equal_logits(folder, atol=1e-4):
    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    valid = checkpoints.outputs_valid(given)
    ours = checkpoints.logits(backbone.model, backbone.params, given)
    with torch.no_grad():
        expected = their_logits(theirs(folder), given).numpy()
    assert expected[valid].std() > 0.1
    np.testing.assert_allclose(np.asarray(ours)[valid], expected[valid], atol=atol, rtol=0)


@pytest.mark.parametrize("variant", checkpoints.VARIANTS)
def test_logits_of_random_models(written, variant):
    assert_equal_logits(written(variant))


@pytest.mark.parametrize("name", REAL)
def test_logits_of_real_models(shared, name):
    assert_equal_logits(shared / "models" / name)


@pytest.mark.parametrize("variant", checkpoints.VARIANTS)
def test_loss_and_gradients(written, variant):
    folder = written(variant)
    backbone, reference = load_backbone(str(folder)), theirs(folder)
    given = checkpoints.inputs(backbone.model)
    labels = checkpoints.labels(backbone.model, given)
    (loss, _), grads = checkpoints.loss_and_grads(backbone.model, backbone.params, given, labels)
    expected = their_loss(their_logits(reference, given), labels, given)
    expected.backward()
    assert float(loss) == pytest.approx(expected.item(), rel=1e-5)
    named = dict(reference.named_parameters())
    assert len(named) == len(grads)
    for path, grad in grads.items():
        key = backbone.model.LAYOUT.key(path)
        theirs_here = named[key.theirs].grad
        ours_here = np.asarray(grad).T if key.transposed else np.asarray(grad)
        if theirs_here is None:  # nothing in the loss depends on it, such as a pooler
            assert not ours_here.any(), path
            continue
        scale = theirs_here.abs().max().item()
        assert scale > 0, path
        if backbone.model.ROUTE == "masked" and path.endswith("attention/key/bias"):
            # It moves all scores of a query alike, so it has no gradient: both are rounding errors.
            scale = float(np.abs(grads[path.replace("bias", "kernel")]).max())
        np.testing.assert_allclose(
            ours_here, theirs_here.numpy(), atol=1e-4 * scale, rtol=0, err_msg=path
        )


@pytest.mark.parametrize("variant", checkpoints.VARIANTS)
def test_what_we_save_is_the_same_model_to_transformers(written, tmp_path, variant):
    source = written(variant)
    backbone, reference = load_backbone(str(source)), theirs(source)
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
def test_a_real_model_and_its_tokenizer_survive_our_export(shared, tmp_path, name):
    source = shared / "models" / name
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
