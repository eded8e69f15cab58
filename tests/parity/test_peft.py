"""Our methods against Hugging Face PEFT on the same model: loss and gradients."""

import jax
import numpy as np
import pytest

from research.methods.shared.leaves import mask, split
from tests.interop.predict import method
from tests.parity.backbones import cases, family, spread
from tests.tiny import loss_sum, with_method

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from tests.parity.objective import framed, rows_of, their_objective  # noqa: E402
from tests.parity.peft_models import as_leaves, felt, trainable  # noqa: E402

KINDS = ["full", "lora", "soft_prompt", "prefix"]


def ours(backbone, methods, leaves, rows):
    """(loss, gradients of the trained leaves)."""
    trained, frozen = split(leaves, mask(methods, leaves))

    def loss(trained):
        return loss_sum(backbone.model, methods, {**frozen, **trained}, rows, framed(backbone))

    return jax.jit(jax.value_and_grad(loss))(trained)


@pytest.mark.parametrize(("name", "kind"), cases(KINDS, real=["full"]))
def test_loss_and_gradients(loaded, tmp_path, name, kind):
    backbone = loaded(name, head="head" in kind)
    rows = rows_of(backbone, 3)
    methods, leaves = method(kind, family(backbone)), dict(backbone.params)
    if "full" not in kind:
        for one in methods:
            leaves = with_method(one, leaves, moved=spread(backbone))
    theirs = trainable(tmp_path / "adapter", backbone, methods, leaves)
    loss, mine = ours(backbone, methods, leaves, rows)
    reference, _ = their_objective(theirs, backbone, rows)
    reference.backward()
    assert float(loss) == pytest.approx(reference.item(), rel=1e-4)
    named = theirs.named_parameters()
    grads = {key: leaf.grad.numpy() for key, leaf in named if leaf.grad is not None}
    expected = as_leaves(tmp_path / "adapter", backbone, methods, grads)
    assert mine.keys() == expected.keys()
    for path, gradient in felt(backbone, expected).items():
        scale = np.abs(gradient).max()
        assert scale > 0, path
        found = felt(backbone, mine)[path]
        np.testing.assert_allclose(found, gradient, rtol=0, atol=1e-4 * scale, err_msg=path)
