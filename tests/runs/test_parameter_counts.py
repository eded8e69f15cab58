"""What approaches train and keep, counted on shapes."""

import jax
import numpy as np
import pytest

from research.experiments.parse_approach import parse_approach
from research.experiments.stage_sequence import methods_after
from research.methods.full import Full
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.shared.leaves import mask, split
from research.methods.soft_prompt import SoftPrompt
from research.runs.costs.flops import step_flops
from research.runs.costs.parameter_counts import backbone_shapes, parameter_counts
from research.runtime.executable import compiled_cost
from research.training.optimizer import Schedule
from research.training.step import Program, init_state, train_step
from tests import tiny
from tests.thorough import cases

MODEL, PARAMS = tiny.decoder()
LORA = {"name": "lora", "rank": 3, "targets": ("query", "value")}
# Width 16; four heads and two for keys, of 6 each; rank 3.
FACTORS = 2 * 3 * (16 + 24 + 16 + 12)
KERNELS = 2 * 16 * (24 + 12)


def found(*stages):
    approach = parse_approach({"name": "row", "stages": stages}, Schedule(), "approach")
    return parameter_counts(approach, backbone_shapes(MODEL), [("yes", "no")] * len(stages))


def test_one_stage():
    size = found({"method": LORA})
    assert (size.trained, size.head, size.stored_bytes) == (FACTORS, 0, 4 * FACTORS)
    whole = sum(leaf.size for leaf in PARAMS.values())
    assert size.share == FACTORS / (whole + FACTORS)
    assert found({"method": {"name": "full"}}).share == 1.0


def test_a_head_stands_apart():
    size = found({"methods": [{"name": "head", "pool": "mean"}, LORA]})
    assert (size.trained, size.head) == (FACTORS + 2 * 16 + 2, 2 * 16 + 2)
    assert size.share == found({"method": LORA}).share


def test_a_head_of_another_task_is_not_kept():
    lent = {"methods": [{"name": "head", "pool": "mean"}, LORA]}
    stages = [lent, {**lent, "task": "other"}, {"method": LORA}, lent]
    approach = parse_approach({"name": "row", "stages": stages}, Schedule(), "approach")
    names = [[method.name for method in methods_after(approach.stages[:i])] for i in range(5)]
    assert names == [[], ["head", "lora"], ["lora"], ["lora"], ["head", "lora"]]
    labels = [("yes", "no"), ("a", "b", "c"), ("yes", "no"), ("yes", "no")]
    size = parameter_counts(approach, backbone_shapes(MODEL), labels)
    heads = [leaves.get("head:/bias") for leaves, _ in size.stages]
    assert [None if bias is None else bias.shape for bias in heads] == [(2,), (3,), None, (2,)]
    assert (size.trained, size.head) == (FACTORS + 2 * 16 + 2, 2 * 16 + 2)
    assert size.share == found({"method": LORA}).share


def test_what_is_merged_is_kept_as_kernels():
    prompt = {"method": {"name": "soft_prompt", "length": 4}}
    size = found({"method": LORA, "merge": True}, prompt)
    assert size.trained == FACTORS + 4 * 16
    assert size.stored_bytes == 4 * (KERNELS + 4 * 16)
    assert found({"method": LORA}, prompt).stored_bytes == 4 * size.trained


TRAINED = (Full(), LoRA(rank=2), LastLayers(1), SoftPrompt(4))


@pytest.mark.parametrize("method", cases(TRAINED, quick=()), ids=str)
def test_operations_are_about_those_that_xla_counts(method):
    """At a width at which matrix products are most of them; attention is left out."""
    model, params = tiny.decoder(width=64, hidden=256, layers=3, head_width=16)
    leaves = tiny.with_method(method, params)
    program = Program(model, Schedule(batch_size=8))
    trained, frozen = split(leaves, mask((method,), leaves))
    state, rows = init_state(program, jax.random.PRNGKey(0), trained), tiny.batch(8, width=32)
    step = jax.jit(train_step, static_argnums=0)
    compiled = step.lower(program, state, frozen, rows, tiny.FRAME, tiny.hyper(method)).compile()
    length = 4 if isinstance(method, SoftPrompt) else 0
    tokens = 32 + (len(tiny.FRAME.prefix_ids) + length) / 8
    targets = rows.target.shape[1]
    expected = step_flops(leaves, trained, 8, tokens, targets, last_tokens=targets)
    assert np.isclose(expected, compiled_cost(compiled)["flops"], rtol=0.35)


def test_biases_alone_need_all_gradients_of_inputs():
    """Those of the lowest layer pass through all of them; no kernel has one of its own."""
    leaves = backbone_shapes(tiny.decoder()[0])
    paths = [path for path in leaves if path.endswith("scale")]
    twice = step_flops(dict(leaves), paths, 1, 1, 0)
    kernels = sum(leaf.size for path, leaf in leaves.items() if path.endswith("kernel"))
    assert twice == 2 * 2 * kernels


def test_the_last_layer_asks_at_targets_and_offers_everywhere():
    leaves = backbone_shapes(tiny.decoder()[0])
    everywhere, at_targets = (step_flops(leaves, [], 1, 9, 2, asking) for asking in (None, 2))
    spared = 2 * 16 * 24 + 3 * 16 * 24  # query and output, gate, up and down
    assert everywhere - at_targets == 2 * 7 * spared
