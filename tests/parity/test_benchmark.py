"""Both sides of the benchmark compute the same on tiny shapes."""

import numpy as np
import pytest

from research.methods.soft_prompt import SoftPrompt
from research.studies.speed import shapes
from research.studies.speed.cases import LORA, PREFIX, random_case
from research.studies.speed.sides import our_side, peft_side
from tests import tiny

METHODS = [(), (LORA,), (SoftPrompt(length=4),), (PREFIX,)]


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A decoder whose words are those that cases draw, 10 and up."""
    model, _ = tiny.decoder(tied=False, vocab_size=40, head_width=4, context=160)
    monkeypatch.setitem(shapes.SHAPES, "tiny", lambda: model)


@pytest.mark.parametrize("methods", METHODS, ids=str)
def test_losses_stay_together_for_two_rounds_of_batches(methods, tmp_path):
    """AdamW and clipping are the same too."""
    random_case(tmp_path, "tiny", 3, 9, 2, methods)
    sides = [side.WORKS["train"](tmp_path, "float32", 1e-3) for side in (our_side, peft_side)]
    losses = np.array([[side.step() for side in sides] for _ in range(8)])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-4)
    assert np.abs(losses[4:] - losses[:4]).min() > 1e-4


def test_scores_are_the_same(tmp_path):
    random_case(tmp_path, "tiny", 3, 9, 2, opening=5, labels=3)
    sides = [side.WORKS["score"](tmp_path, "float32", 0.0) for side in (our_side, peft_side)]
    for _ in range(4):
        assert sides[0].step() == pytest.approx(sides[1].step(), rel=1e-5)
