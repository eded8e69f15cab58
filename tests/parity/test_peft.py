"""Our methods against Hugging Face PEFT on the same torch model: logits and gradients."""

import jax
import numpy as np
import pytest

from research.evaluation.batch import prefix
from research.methods.lora import LoRA
from research.methods.method import mask, split
from research.methods.soft_prompt import SoftPrompt
from research.models.backbone import save_backbone
from tests.tiny import batch, decoder, loss_sum, with_method

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

NAMES = {"query": "self_attn.q_proj", "value": "self_attn.v_proj", "down": "mlp.down_proj"}


@pytest.fixture
def theirs(tmp_path):
    """(torch model, our model, our parameters) with equal weights."""
    model, params = decoder()
    save_backbone(tmp_path / "model", model, params)
    loaded = transformers.LlamaForCausalLM.from_pretrained(tmp_path / "model", dtype=torch.float32)
    return loaded.eval(), model, params


def torch_loss(model, rows) -> "torch.Tensor":
    """The summed negative log-probability of the target tokens, row by row without padding."""
    total = torch.zeros(())
    for tokens, length, start in zip(rows.tokens, rows.length, rows.start, strict=True):
        ids = torch.tensor(np.asarray(tokens[:length], np.int64))[None]
        logits = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
        logprobs = torch.log_softmax(logits[-int(length) :], dim=-1)
        for place in range(int(start), int(length)):
            total = total - logprobs[place - 1, ids[0, place]]
    return total


def ours(model, method, leaves, rows):
    """(loss, gradients of the trained leaves)."""
    trained, frozen = split(leaves, mask(method, leaves))

    def loss(trained):
        return loss_sum(model, (method,), {**frozen, **trained}, rows, prefix([]))

    return jax.jit(jax.value_and_grad(loss))(trained)


def assert_close(mine, reference) -> None:
    reference = reference.detach().numpy()
    scale = max(1.0, np.abs(reference).max())
    np.testing.assert_allclose(mine, reference, rtol=0, atol=1e-4 * scale)


def test_lora(theirs):
    torch_model, model, params = theirs
    method = LoRA(rank=3, alpha=5.0, targets=tuple(NAMES))
    leaves, rows = with_method(method, params), batch(3)
    config = peft.LoraConfig(
        r=3, lora_alpha=5, target_modules=[n.split(".")[1] for n in NAMES.values()]
    )
    adapted = peft.get_peft_model(torch_model, config)
    theirs_by_path = {}
    for path in leaves:
        if path.startswith("lora:"):
            layer, _, name, factor = path.removeprefix("lora:").replace("mlp/", "x/").split("/")
            module = f"layers.{layer.removeprefix('layers_')}.{NAMES[name]}.lora_{factor.upper()}"
            parameter = next(p for n, p in adapted.named_parameters() if module in n)
            parameter.data = torch.tensor(np.asarray(leaves[path]).T.copy())
            theirs_by_path[path] = parameter
    loss, gradients = ours(model, method, leaves, rows)
    reference = torch_loss(adapted, rows)
    reference.backward()
    assert float(loss) == pytest.approx(float(reference.detach()), rel=1e-4)
    assert gradients.keys() == theirs_by_path.keys()
    for path, parameter in theirs_by_path.items():
        assert_close(np.asarray(gradients[path]).T, parameter.grad)


def test_soft_prompt(theirs):
    torch_model, model, params = theirs
    method = SoftPrompt(length=4)
    leaves, rows = with_method(method, params), batch(3)
    config = peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=4)
    adapted = peft.get_peft_model(torch_model, config)
    parameter = next(p for n, p in adapted.named_parameters() if "prompt_encoder" in n)
    parameter.data = torch.tensor(np.asarray(leaves["soft_prompt:/prompt"]).copy())
    loss, gradients = ours(model, method, leaves, rows)
    reference = torch_loss(adapted, rows)
    reference.backward()
    assert float(loss) == pytest.approx(float(reference.detach()), rel=1e-4)
    assert_close(gradients["soft_prompt:/prompt"], parameter.grad)
