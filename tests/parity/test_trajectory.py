"""Twenty optimizer steps of ours and of PyTorch on the same batches: losses and what is trained."""

from functools import partial

import jax
import numpy as np
import pytest

from research.methods.method import mask, split
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state, train_step
from tests.interop.predict import method
from tests.parity.backbones import cases, family
from tests.tiny import with_method

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from tests.parity.objective import framed, rows_of, their_objective  # noqa: E402
from tests.parity.peft_models import as_leaves, felt, trainable  # noqa: E402

STEPS, RATE, DECAY = 20, 3e-3, 0.1


def trained_here(backbone, methods, leaves, batches):
    """(losses, trained leaves)."""
    schedule = Schedule(STEPS, 4, warmup=0.0, decay="constant", clip=None)
    program = Program(backbone.model, schedule)
    traced = tuple(jax.tree.map(np.float32, one) for one in methods)
    hyper = Hyper(traced, np.float32(RATE), np.float32(DECAY))
    trained, frozen = split(leaves, mask(methods, leaves))
    state = jax.jit(partial(init_state, program))(jax.random.key(0), trained)
    step, losses = jax.jit(partial(train_step, program)), []
    for rows in batches:
        state, metrics = step(state, frozen, rows, framed(backbone), hyper)
        losses.append(float(metrics.loss))
    return losses, state.trained


def trained_there(model, backbone, batches):
    """(losses, trained parameters) of a torch model."""
    own = {name: p for name, p in model.named_parameters() if p.requires_grad}
    groups = [
        {"params": [p for p in own.values() if p.ndim > 1], "weight_decay": DECAY},
        {"params": [p for p in own.values() if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8)
    losses = []
    for rows in batches:
        total, count = their_objective(model, backbone, rows)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
        losses.append(total.item() / count)
    return losses, {name: p.detach().numpy() for name, p in own.items()}


@pytest.mark.parametrize(("name", "kind"), cases(["full", "lora", "soft_prompt"], real=["lora"]))
def test_twenty_steps_of_adamw(loaded, tmp_path, name, kind):
    backbone = loaded(name, head="head" in kind)
    methods, leaves = method(kind, family(backbone)), dict(backbone.params)
    if "full" not in kind:
        for one in methods:
            leaves = with_method(one, leaves)
    theirs = trainable(tmp_path / "adapter", backbone, methods, leaves)
    batches = [rows_of(backbone, 4, seed=step % 3) for step in range(STEPS)]
    expected_losses, arrays = trained_there(theirs, backbone, batches)
    losses, trained = trained_here(backbone, methods, leaves, batches)
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-3)
    assert losses[-2] < 0.98 * losses[0], losses  # on the same batch
    expected = felt(backbone, as_leaves(tmp_path / "adapter", backbone, methods, arrays))
    found = felt(backbone, trained)
    assert found.keys() == expected.keys()
    for path, leaf in expected.items():
        scale = np.abs(leaf).max()
        np.testing.assert_allclose(found[path], leaf, atol=1e-3 * scale, rtol=0, err_msg=path)
