"""Every family and variant against what transformers computed: see tests/golden/make.py."""

import jax
import numpy as np
import pytest

from tests import checkpoints
from tests.golden.golden import FILE, sampled
from tests.thorough import cases


@pytest.fixture(scope="module")
def golden():
    with np.load(FILE) as entries:
        return dict(entries)


def test_the_golden_file_has_every_variant_and_nothing_else(golden):
    parts = ("logits", "loss", "norms")
    assert golden.keys() == {f"{v}/{part}" for v in checkpoints.VARIANTS for part in parts}


# One of each kind; the others differ from these in single fields.
QUICK = (
    "llama, grouped keys",
    "qwen3, grouped keys, tied",
    "gemma3, linear frequencies, capped",
    "gpt2",
    "t5",
    "bert",
)


@pytest.mark.parametrize("variant", cases(checkpoints.VARIANTS, QUICK))
def test_logits_loss_and_gradients(golden, variant):
    model, leaves = checkpoints.drawn(variant)
    given = checkpoints.inputs(model)
    labels = checkpoints.labels(model, given)
    found = jax.device_get(checkpoints.loss_and_grads(model, leaves, given, labels))
    (loss, logits), grads = found
    expected = golden[f"{variant}/logits"]
    np.testing.assert_allclose(sampled(logits, given), expected, atol=1e-4, rtol=0)
    assert float(loss) == pytest.approx(float(golden[f"{variant}/loss"]), rel=1e-5)
    norms = golden[f"{variant}/norms"]
    for path, norm in zip(sorted(grads), norms, strict=True):
        ours = np.linalg.norm(grads[path].astype(np.float64))
        # Rounding errors are all that there is where the loss does not depend on a leaf.
        assert ours == pytest.approx(norm, rel=1e-4, abs=1e-7 * max(norms)), path
