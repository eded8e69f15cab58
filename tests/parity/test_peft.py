"""Our methods against Hugging Face PEFT on the same model: loss and gradients."""

import shutil

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from research.evaluation.batch import frame
from research.interop.peft import load_adapter, save_adapter
from research.methods.full import Full
from research.methods.method import mask, split
from tests import checkpoints
from tests.interop.predict import method
from tests.tiny import batch, loss_sum, with_method

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from tests.parity import peft_models  # noqa: E402  # it imports both

CLOSING, MASK = 4, 3  # no token of the rows
CASES = [
    (variant, kind)
    for variant in ["llama, grouped keys", "qwen3, grouped keys, tied", "gpt2", "t5 1.1", "bert"]
    for kind in ["lora", "soft_prompt", "prefix"]
] + [("bert", "lora, head"), ("roberta", "prefix, head"), ("roberta", "soft_prompt, head")]


def rows_of(size: int):
    """Rows without low ids, of which RoBERTa takes 1 for padding."""
    rows = batch(size)
    return rows._replace(tokens=rows.tokens + 20, target=rows.target + 20)


def framed(backbone):
    """The frame of rows: encoders need a closing, the others have none."""
    return frame([], [CLOSING] if backbone.model.ROUTE == "masked" else [], MASK)


def torch_loss(model, backbone, rows) -> "torch.Tensor":
    """The summed negative log-probability of what is predicted, row by row without padding."""
    total = torch.zeros(())
    for row in range(len(rows.tokens)):
        start, length = int(rows.start[row]), int(rows.length[row])
        tokens = [int(token) for token in rows.tokens[row]]
        logits, wanted = predicted(model, backbone, tokens[:start], tokens[start:length], rows, row)
        logprobs = torch.log_softmax(logits, dim=-1)
        total = total - logprobs[torch.arange(len(wanted)), torch.tensor(wanted)].sum()
    return total


def predicted(model, backbone, prompt, target, rows, row):
    """(logits, what they should predict) of one row."""

    def logits(ids, **more):
        ids = torch.tensor([ids])
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), **more).logits[0]

    if backbone.model.head_shapes():
        return logits([*prompt, CLOSING])[None], [int(rows.label[row])]
    if backbone.model.ROUTE == "seq2seq":
        shifted = torch.tensor([[backbone.model.config.start_token, *target[:-1]]])
        return logits(prompt, decoder_input_ids=shifted), target
    if backbone.model.ROUTE == "masked":
        masked = [MASK] * len(target)
        return logits([*prompt, *masked, CLOSING])[-len(target) - 1 : -1], target
    return logits([*prompt, *target])[-len(target) - 1 : -1], target


def ours(backbone, methods, leaves, rows):
    """(loss, gradients of the trained leaves)."""
    trained, frozen = split(leaves, mask(methods, leaves))

    def loss(trained):
        return loss_sum(backbone.model, methods, {**frozen, **trained}, rows, framed(backbone))

    return jax.jit(jax.value_and_grad(loss))(trained)


def gradients(model, folder, backbone):
    """Those of PEFT's trained parameters, as leaves: they are written and read as an adapter is."""
    stored = {}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            name = name.replace("prompt_encoder.default.embedding.weight", "prompt_embeddings")
            name = name.replace(".modules_to_save.default", "").replace(".default.", ".")
            stored[name] = parameter.grad.numpy().copy()
    copied = folder.with_name("gradients")
    shutil.copytree(folder, copied)
    save_file(stored, copied / "adapter_model.safetensors")
    return load_adapter(copied, backbone.model, backbone.params)[1]


def assert_close(mine, expected, path) -> None:
    expected = np.asarray(expected)
    scale = np.abs(expected).max()
    assert scale > 0, path
    np.testing.assert_allclose(np.asarray(mine), expected, rtol=0, atol=1e-4 * scale, err_msg=path)


@pytest.mark.parametrize(("variant", "kind"), CASES)
def test_loss_and_gradients_of_adapters(tmp_path, variant, kind):
    backbone = peft_models.backbone(tmp_path, variant, head="head" in kind)
    methods = method(kind, checkpoints.VARIANTS[variant]["model_type"])
    leaves, rows = dict(backbone.params), rows_of(3)
    for one in methods:
        leaves = with_method(one, leaves, moved=0.3)
    save_adapter(tmp_path / "adapter", backbone.name, backbone.model, methods, leaves)
    theirs = peft_models.trainable(backbone, tmp_path / "adapter")
    loss, mine = ours(backbone, methods, leaves, rows)
    reference = torch_loss(theirs, backbone, rows)
    reference.backward()
    assert float(loss) == pytest.approx(reference.item(), rel=1e-4)
    expected = gradients(theirs, tmp_path / "adapter", backbone)
    assert mine.keys() == expected.keys()
    for path, gradient in mine.items():
        assert_close(gradient, expected[path], path)


@pytest.mark.parametrize("variant", ["llama, grouped keys", "gpt2", "t5 1.1", "bert"])
def test_loss_and_gradients_of_full_fine_tuning(tmp_path, variant):
    backbone, rows = peft_models.backbone(tmp_path, variant), rows_of(3)
    theirs = peft_models.torch_model(backbone)
    loss, mine = ours(backbone, (Full(),), dict(backbone.params), rows)
    reference = torch_loss(theirs, backbone, rows)
    reference.backward()
    assert float(loss) == pytest.approx(reference.item(), rel=1e-4)
    named = dict(theirs.named_parameters())
    for path, gradient in mine.items():
        key = backbone.model.LAYOUT.key(path)
        if path.endswith("attention/key/bias"):
            continue  # it moves all scores of a query alike: its gradient is rounding error
        expected = named[key.theirs].grad.numpy()
        assert_close(gradient, expected.T if key.transposed else expected, path)
