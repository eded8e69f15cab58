"""The cost of a step, whatever loops its program has."""

import jax
import pytest

from research.methods.shared.leaves import mask, split
from research.training.step import Program, init_state
from research.training.step_cost import cost_alone
from tests.thorough import cases
from tests.tiny import FRAME, METHODS, batch, decoder, hyper, with_method
from tests.training.members import SCHEDULE


def flops(name: str, layers: str, remat: bool) -> float:
    """Of a step on 6 layers that are large beside all else."""
    model, params = decoder(layers=6, width=48, hidden=96)
    method = METHODS[name]
    leaves = with_method(method, params)
    trained, frozen = split(leaves, mask((method,), leaves))
    program = Program(model.with_layers(layers), SCHEDULE, remat=remat)
    state = init_state(program, jax.random.PRNGKey(0), trained)
    counted = cost_alone(program, state, frozen, batch(8), FRAME, hyper(method))["flops"]
    assert counted is not None
    return counted


@pytest.mark.parametrize("remat", cases([False, True], quick=(False,)))
@pytest.mark.parametrize("name", cases(METHODS, quick=("lora",)))
def test_all_layers_of_a_scan_are_counted(name, remat):
    """XLA counts the body of a loop once; norms and masks of unrolled layers it optimizes."""
    assert flops(name, "scan", remat) == pytest.approx(flops(name, "unrolled", remat), rel=0.05)
