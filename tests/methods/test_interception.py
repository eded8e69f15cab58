"""Layers of equal shapes are traced once, with the numbers of layers that are traced one by one."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.scoring import target_logprobs
from research.methods import adapted as adapted_module
from research.methods.adapted import Adapted
from research.methods.interception import layers_adapted
from research.methods.lora import LoRA
from research.methods.method import Leaves, traced_method
from tests.thorough import cases
from tests.tiny import FRAME, batch, decoder, with_method

LAYERS = 5


@traced_method("alpha", "dropout", "b_rate")
@dataclass(frozen=True)
class Counted(LoRA):
    """LoRA that counts how often it is traced."""

    calls: ClassVar[int] = 0

    def layer(self, leaf, x, site):
        Counted.calls += 1
        return super().layer(leaf, x, site)


def loss_and_gradients(method: LoRA) -> tuple[jax.Array, Leaves]:
    """Of rows in training, each with a random key, with respect to all leaves."""
    model, params = decoder(layers=LAYERS)
    rows, traced = batch(6), jax.tree.map(np.float32, method)

    def loss(leaves: Leaves) -> jax.Array:
        adapted = Adapted(model, (traced,), leaves)
        logprobs, counted = target_logprobs(adapted, rows, FRAME, jax.random.PRNGKey(7))
        return -jnp.where(counted, logprobs, 0.0).sum()

    return jax.jit(jax.value_and_grad(loss))(with_method(method, params))


def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def untraced(*args, traces_shared, **options):
        del traces_shared
        return layers_adapted(*args, traces_shared=False, **options)

    monkeypatch.setattr(adapted_module, "layers_adapted", untraced)


@pytest.mark.parametrize("dropout", cases([None, 0.5], quick=(None,)))
def test_numbers_are_those_of_layers_traced_one_by_one(dropout, monkeypatch):
    """Dropout masks too, which differ between layers."""
    method = LoRA(rank=3, dropout=dropout, targets=("query", "down"))
    loss, gradients = loss_and_gradients(method)
    one_by_one(monkeypatch)
    other_loss, other_gradients = loss_and_gradients(method)
    np.testing.assert_allclose(loss, other_loss, rtol=1e-6)
    for path, gradient in gradients.items():
        np.testing.assert_allclose(gradient, other_gradients[path], rtol=1e-4, atol=1e-5)


def test_the_work_of_tracing_does_not_grow_with_the_layers(monkeypatch):
    """The last layer, which computes few positions, and the prefix have traces of their own."""
    Counted.calls = 0
    loss_and_gradients(Counted(rank=3, targets=("query",)))
    assert Counted.calls == 3
    one_by_one(monkeypatch)
    Counted.calls = 0
    loss_and_gradients(Counted(rank=3, targets=("query",)))
    assert Counted.calls == 2 * LAYERS
