"""Layers computed again for their gradients: every family gives the gradients that it gives."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.contracts.subject import ContractCase
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.lora import LoRA
from tests import checkpoints
from tests.thorough import cases

# Layers of tiny models, each called once a pass; a causal model reads what stands before as well.
CALLS = {"llama, grouped keys": 4, "gpt2": 4, "t5": 4, "bert": 2, "roberta": 2}


@pytest.mark.parametrize("variant", cases(CALLS, quick=()))
def test_gradients_of_every_family(variant):
    one = ContractCase(*checkpoints.drawn(variant), (LoRA(rank=3, dropout=0.3),))
    rows, frame, key = one.batch(), one.frame, jax.random.PRNGKey(0)

    def loss(leaves, remat):
        adapted = Adapted(one.model, one.traced, leaves, remat=remat)
        logprobs, counted = target_logprobs(adapted, rows, frame, key)
        return -jnp.where(counted, logprobs, 0.0).sum()

    again = str(jax.make_jaxpr(lambda leaves: loss(leaves, True))(one.moved))
    assert len(re.findall(r"\bremat\w*\[", again)) == CALLS[variant]
    gradients = jax.jit(jax.grad(loss), static_argnums=1)
    plain, same = (gradients(one.moved, remat) for remat in (False, True))
    # The gradient of a key's bias is zero but for rounding, so all are measured by the largest.
    largest = max(float(jnp.abs(gradient).max()) for gradient in plain.values())
    for path, gradient in plain.items():
        np.testing.assert_allclose(same[path], gradient, rtol=0, atol=1e-6 * largest, err_msg=path)
