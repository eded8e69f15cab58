"""Twenty optimizer steps of ours and of PyTorch on the same batches: losses and what is trained."""

from functools import partial

import jax
import numpy as np
import pytest

from research.interop.peft import load_adapter, save_adapter
from research.methods.full import Full
from research.methods.lora import LoRA
from research.methods.method import mask, split
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state, train_step
from tests import checkpoints
from tests.interop.predict import method
from tests.tiny import batch, with_method

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from tests.parity import peft_models  # noqa: E402  # it imports both
from tests.parity.test_peft import framed, torch_loss  # noqa: E402

STEPS, RATE, DECAY = 20, 3e-3, 0.1
BATCHES = [batch(4, seed) for seed in range(3)]
CASES = [
    ("llama, grouped keys", "lora"),
    ("llama, grouped keys", "soft_prompt"),
    ("gpt2", "lora"),
    ("t5 1.1", "lora"),
    ("t5 1.1", "soft_prompt"),
    ("bert", "lora, head"),
]


def trained_here(backbone, methods, leaves):
    """(losses, trained leaves)."""
    schedule = Schedule(STEPS, 4, warmup=0.0, decay="constant", clip=None)
    program = Program(backbone.model, schedule)
    traced = tuple(jax.tree.map(np.float32, one) for one in methods)
    hyper = Hyper(traced, np.float32(RATE), np.float32(DECAY))
    trained, frozen = split(leaves, mask(methods, leaves))
    state, losses = init_state(program, jax.random.key(0), trained), []
    step = jax.jit(partial(train_step, program))
    for number in range(STEPS):
        rows = BATCHES[number % len(BATCHES)]
        state, metrics = step(state, frozen, rows, framed(backbone), hyper)
        losses.append(float(metrics.loss))
    return losses, state.trained


def trained_there(model, backbone):
    """Losses of the trainable parameters of a torch model, which are trained."""
    own = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in own if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in own if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for number in range(STEPS):
        rows = BATCHES[number % len(BATCHES)]
        count = len(rows.tokens) if backbone.model.head_shapes() else (rows.length - rows.start)
        loss = torch_loss(model, backbone, rows) / int(np.sum(count))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def assert_same(mine, theirs) -> None:
    """(losses, leaves) within a thousandth, of each leaf's scale."""
    np.testing.assert_allclose(mine[0], theirs[0], rtol=1e-3)
    assert mine[0][-2] < 0.98 * mine[0][0], mine[0]  # on the same batch
    for path, leaf in mine[1].items():
        expected = np.asarray(theirs[1][path])
        scale = np.abs(expected).max()
        np.testing.assert_allclose(
            np.asarray(leaf), expected, atol=1e-3 * scale, rtol=0, err_msg=path
        )


@pytest.mark.parametrize(("variant", "kind"), CASES)
def test_adapters(tmp_path, variant, kind):
    backbone = peft_models.backbone(tmp_path, variant, head="head" in kind)
    methods = method(kind, checkpoints.VARIANTS[variant]["model_type"])
    if variant == "gpt2":  # a unit of its MLP is all but off: AdamW would scale rounding up
        methods = (LoRA(rank=3, alpha=5.0, targets=("qkv",)),)
    leaves = dict(backbone.params)
    for one in methods:
        leaves = with_method(one, leaves)
    save_adapter(tmp_path / "start", backbone.name, backbone.model, methods, leaves)
    theirs = peft_models.trainable(backbone, tmp_path / "start")
    losses = trained_there(theirs, backbone)
    theirs.save_pretrained(tmp_path / "end")
    _, expected = load_adapter(tmp_path / "end", backbone.model, backbone.params)
    assert_same(trained_here(backbone, methods, leaves), (losses, expected))


@pytest.mark.parametrize("variant", ["llama, grouped keys", "t5 1.1"])
def test_full_fine_tuning(tmp_path, variant):
    backbone = peft_models.backbone(tmp_path, variant)
    theirs = peft_models.torch_model(backbone)
    losses, expected = trained_there(theirs, backbone), {}
    named = dict(theirs.named_parameters())
    for path in backbone.params:
        key = backbone.model.LAYOUT.key(path)
        array = named[key.theirs].detach().numpy()
        expected[path] = array.T if key.transposed else array
    mine = trained_here(backbone, (Full(),), dict(backbone.params))
    assert_same(mine, (losses, expected))
