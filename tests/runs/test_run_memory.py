"""Memory of a run by its shapes against the memory of its compiled step."""

from functools import partial

import jax
import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.trunk.store import StateStore
from research.evaluation.trunk.trunk import Trunk
from research.methods.full import Full
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.shared.leaves import mask, split
from research.runs.costs import flops
from research.runs.costs.memory import LAYER_BYTES, PROCESS_BYTES, run_bytes, state_bytes
from research.runtime.memory import peak_bytes
from research.training.optimizer import Schedule
from research.training.step import Program, init_state
from research.training.step_cost import cost_alone
from tests.tiny import LABELS, ONE, batch, decoder, encoded, hyper, with_method

LAYERS, ROWS, WIDTH = 6, 8, 48
METHODS = {
    "full": Full(),
    "LoRA": LoRA(rank=4, alpha=8.0, targets=("query", "value")),
    "last layers": LastLayers(last=2),
}


@pytest.mark.parametrize("name", METHODS)
def test_bytes_of_a_run_are_those_of_its_step(name):
    """Within 20 %, for a decoder with the proportions of SmolLM2-135M and a quarter of its width.

    Beside the step, the process has the backbone of other runs and the best leaves.
    """
    method = METHODS[name]
    shape = dict(width=144, heads=9, kv_heads=3, head_width=16, hidden=384, context=64)
    model, params = decoder(layers=LAYERS, vocab_size=2000, **shape)
    leaves = with_method(method, params)
    trained, frozen = split(leaves, mask((method,), leaves))
    program = Program(model, Schedule(batch_size=ROWS))
    state = jax.eval_shape(partial(init_state, program), jax.random.PRNGKey(0), trained)
    rows = batch(ROWS, width=WIDTH)
    cost = cost_alone(program, state, frozen, rows, prompt_frame([3]), hyper(method))
    of_trained = sum(leaf.nbytes for leaf in trained.values())
    in_backbone = sum(leaf.nbytes for path, leaf in trained.items() if path in params)
    of_process = PROCESS_BYTES + LAYER_BYTES * LAYERS
    planned = run_bytes(leaves, set(trained), ROWS, WIDTH + 1, rows.target.shape[1]) - of_process
    assert planned == pytest.approx(peak_bytes(cost) + of_trained + in_backbone, rel=0.2)


def test_a_prompt_alone_needs_the_backbone():
    leaves = {"embed/embedding": np.zeros((10, 4), np.float32)}
    assert run_bytes(leaves, (), rows=0, tokens=0, targets=0) == PROCESS_BYTES + 160


def test_bytes_of_kept_states_are_those_of_a_trunk(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(flops, "LEAST_FLOPS", 1.0)
    model, params = decoder(layers=3)
    method, prompts = LastLayers(last=1), EncodedPrompts(encoded(9), prompt_frame([3]))
    leaves = with_method(method, params)
    store = StateStore(None, 2**30)
    trunk = Trunk(model, np.float32, ONE, params, "sum", store, least_flops=0.0, least_share=0.0)
    kept = trunk.of_labels((method,), leaves, prompts, LABELS)
    assert kept is not None
    stored = sum(value.nbytes for row in kept.rows.rows for value in row)
    trained = {path for path, trains in mask((method,), leaves).items() if trains}
    tokens = float(prompts.rows.prompt_length.mean()) + LABELS.tokens.size - 1
    assert state_bytes(leaves, trained, 9, tokens) == pytest.approx(stored, rel=0.1)
    assert state_bytes(leaves, set(leaves), 9, tokens) == 0
    assert state_bytes(leaves, (), 9, tokens) == 0
