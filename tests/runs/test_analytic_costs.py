"""What is computed from shapes, against the arrays themselves."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.batch import prompt_frame
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.prefix import PrefixTuning
from research.methods.shared.leaves import mask
from research.models import MODELS
from research.runs.costs import flops
from research.runs.costs.analytic import cache_bytes, formula_flops, optimizer_bytes
from research.runs.costs.flops import above_trunk, step_flops
from research.training.member import MemberProgress, Outcome
from research.training.optimizer import Schedule
from research.training.step import Program, init_state
from tests import checkpoints, tiny

MODEL, PARAMS = tiny.decoder()


@pytest.mark.parametrize("family", ["llama", "gpt2", "t5"])
def test_keys_and_values_of_a_token_are_those_that_the_model_offers(family):
    config = getattr(checkpoints, family.upper())
    model = MODELS[family].from_hf(config)
    tokens, positions = jnp.zeros((1, 3), int), jnp.arange(3)[None]
    valid = jnp.ones((1, 3), bool)
    inputs = (tokens, positions, valid)

    def offered():
        params = model.init(jax.random.key(0), *inputs)
        if family == "t5":
            hidden = model.apply(params, *inputs, method="encode")
            return model.apply(params, hidden, positions, valid, method="cross_memories")
        return model.apply(params, *inputs)[1]

    memory = jax.eval_shape(offered)
    arrays = jax.tree.leaves((memory.keys, memory.values))  # pyright: ignore
    assert cache_bytes(model, 4) * 3 == sum(4 * array.size for array in arrays) > 0
    assert cache_bytes(model, 2) * 2 == cache_bytes(model, 4)


def test_an_encoder_keeps_none():
    assert cache_bytes(MODELS["bert"].from_hf(checkpoints.BERT), 4) == 0


@pytest.mark.parametrize("optimizer", ["adamw", "adafactor"])
def test_the_optimizer_takes_what_its_state_does(optimizer):
    schedule = Schedule(optimizer=optimizer)
    leaves = tiny.with_method(LoRA(rank=2), PARAMS)
    trained = {path: leaf for path, leaf in leaves.items() if path.startswith("lora:")}
    state = init_state(Program(MODEL, schedule), jax.random.PRNGKey(0), trained)
    arrays = jax.tree.leaves(state.optimizer)
    assert optimizer_bytes(schedule, trained) == sum(array.nbytes for array in arrays) > 0


def test_the_formula_counts_the_positions_of_the_widest_step():
    method, schedule = LoRA(rank=2), Schedule(batch_size=8)
    leaves = tiny.with_method(method, PARAMS)
    trained = {path: leaf for path, leaf in leaves.items() if path.startswith("lora:")}
    outcome = Outcome(
        {path: np.asarray(leaf) for path, leaf in trained.items()}, MemberProgress(shape=[32, 3])
    )
    found = formula_flops(outcome, schedule, leaves, (method,), tiny.FRAME, MODEL)
    tokens = 32 + len(tiny.FRAME.prefix_ids) / 8 + len(tiny.FRAME.suffix_ids)
    assert found == step_flops(leaves, trained, 8, tokens, 3, last_tokens=3) > 0
    alone = formula_flops(outcome, schedule, leaves, (method,), prompt_frame([3]), MODEL)
    assert alone == step_flops(leaves, trained, 8, 32 + 1, 3, last_tokens=3)  # read with every row
    prefix = PrefixTuning(length=5)  # passes through no layer
    met = {**leaves, **tiny.with_method(prefix, PARAMS)}
    assert (
        formula_flops(outcome, schedule, met, (method, prefix), prompt_frame([3]), MODEL) == alone
    )
    unborn = Outcome(outcome.trained, MemberProgress())
    assert formula_flops(unborn, schedule, leaves, (method,), tiny.FRAME, MODEL) is None


def test_a_large_trunk_is_computed_once(monkeypatch: pytest.MonkeyPatch):
    _, params = tiny.decoder(layers=4)
    trains = mask((LastLayers(last=1),), params)
    trained = [path for path in params if trains[path]]
    assert above_trunk(params, trained) is params  # it is small
    monkeypatch.setattr(flops, "LEAST_FLOPS", 1.0)
    rest = above_trunk(params, trained)
    assert {path for path in params if path not in rest} == {
        path for path in params if path.startswith(("layers_0/", "layers_1/", "layers_2/"))
    }
    below = sum(leaf.size for path, leaf in params.items() if path not in rest and leaf.ndim == 2)
    saved = step_flops(params, trained, 8, 16, 1) - step_flops(rest, trained, 8, 16, 1)
    assert saved == 2 * below * 8 * 16
    assert above_trunk(params, ["layers_0/attention/query/kernel"]) is params
    assert above_trunk(params, ["lora:layers_0/attention/query/a"]) is params
