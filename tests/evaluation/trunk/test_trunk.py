"""Training and scoring from kept states of the frozen trunk equal the plain way."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, batch_rows
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.evaluation.trunk import trunk as trunk_module
from research.evaluation.trunk.states import divided
from research.evaluation.trunk.store import StateStore
from research.evaluation.trunk.traced import Arguments, traced
from research.evaluation.trunk.trunk import Trunk
from research.methods.full import Full
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.method import Leaves
from research.methods.prefix import PrefixTuning
from research.methods.soft_prompt import SoftPrompt
from research.runtime.devices import Devices
from research.tasks.encoding.encoded import Labels
from research.training.member import Member
from research.training.optimizer import Schedule
from research.training.step import Program
from tests.thorough import cases
from tests.tiny import (
    FRAME,
    LABELS,
    ONE,
    decoder,
    encoded,
    fit_members,
    hyper,
    with_method,
)

MODEL, PARAMS = decoder(layers=3)
UPPER = {
    "last_layers": LastLayers(last=1),
    "lora": LoRA(rank=2, alpha=4.0, targets=("layers_2/.*query", "layers_2/.*value")),
}
SCHEDULE = Schedule(steps=6, batch_size=4, eval_every=3, patience=9, warmup=0.0, decay="constant")
PROMPTS = EncodedPrompts(encoded(9), FRAME)


def trunk(params: Leaves = PARAMS, store: StateStore | None = None, **changes) -> Trunk:
    store = StateStore(None, 2**30) if store is None else store
    options = {"least_flops": 0.0, "checksum": "sum", **changes}
    return Trunk(MODEL, jnp.float32, ONE, params, store=store, **options)


def states(kept: Trunk, method=UPPER["last_layers"], params: Leaves = PARAMS):
    return kept.of_targets((method,), with_method(method, params), PROMPTS, 3)


def with_broken_layer(leaves: Leaves) -> Leaves:
    return {p: x * np.nan if p.startswith("layers_0/") else x for p, x in leaves.items()}


def trained(method, kept: Trunk | None, program: Program, devices: Devices = ONE):
    leaves = with_method(method, PARAMS)
    members = []
    for seed in range(2):
        rows = encoded(9, seed)
        member = Member(seed, hyper(method), leaves, rows, encoded(8, seed + 5), FRAME)
        if kept is not None:
            prompts = EncodedPrompts(rows, FRAME)
            found = kept.of_targets(member.hyper.methods, leaves, prompts, 3, training=True)
            assert found is not None
            member = replace(member, frame=found.frame, states=found.rows)
        members.append(member)
    return fit_members(program, members, devices, trunk=kept)


@pytest.mark.parametrize("name", cases(UPPER, quick=("lora",)))
@pytest.mark.parametrize(
    ("accumulate", "devices"),
    [
        pytest.param(1, ONE, id="host", marks=pytest.mark.thorough),
        pytest.param(2, ONE, id="accumulate", marks=pytest.mark.thorough),
        pytest.param(1, Devices(count=1, members="vmap"), id="vmap"),
    ],
)
def test_training_from_states_equals_the_plain_way(name, accumulate, devices):
    program = Program(MODEL, replace(SCHEDULE, accumulate=accumulate))
    plain = trained(UPPER[name], None, program, devices)
    for expected, outcome in zip(
        plain, trained(UPPER[name], trunk(), program, devices), strict=True
    ):
        for path, leaf in expected.trained.items():
            # Adam divides by the root of squared gradients: rounding of 1e-7 grows a hundredfold.
            np.testing.assert_allclose(outcome.trained[path], leaf, atol=2e-5, err_msg=path)
        losses = np.array(outcome.progress.history), np.array(expected.progress.history)
        np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("name", UPPER)
def test_scoring_from_states_equals_the_plain_way(name):
    method = UPPER[name]
    weights = AdaptedWeights(hyper(method).methods, with_method(method, PARAMS))
    plain, kept = (Predictor(MODEL, ONE, jnp.float32, trunk=t) for t in (None, trunk()))
    expected = plain.scores(weights, PROMPTS, LABELS)
    np.testing.assert_allclose(kept.scores(weights, PROMPTS, LABELS), expected, rtol=1e-5)
    assert kept.loss(weights, PROMPTS) == pytest.approx(plain.loss(weights, PROMPTS), rel=1e-5)


def test_states_that_are_computed_are_reported_as_examples(monkeypatch):
    monkeypatch.setattr("research.evaluation.trunk.computation.BATCH", 4)
    method, reports = UPPER["lora"], []
    weights = AdaptedWeights(hyper(method).methods, with_method(method, PARAMS))
    kept = Predictor(
        MODEL, ONE, jnp.float32, trunk=trunk(), report=lambda *counts: reports.append(counts)
    )
    kept.scores(weights, PROMPTS, LABELS, batch_size=4)
    assert reports == [(4, 9), (8, 9), (8, 9), (8, 9), (8, 9), (9, 9)]
    reports.clear()
    kept.scores(weights, PROMPTS, LABELS, batch_size=4)  # their states are kept
    assert reports == [(4, 9), (8, 9), (9, 9)]


@pytest.mark.parametrize("name", UPPER)
def test_frozen_layers_are_not_computed_again(name):
    store, method = StateStore(None, 2**30), UPPER[name]
    leaves = with_method(method, PARAMS)
    methods = hyper(method).methods
    kept = trunk(leaves, store)
    Predictor(MODEL, ONE, jnp.float32, trunk=kept).scores(
        AdaptedWeights(methods, leaves), PROMPTS, LABELS
    )
    broken = with_broken_layer(leaves)
    again = Predictor(MODEL, ONE, jnp.float32, trunk=trunk(broken, store))
    scores = again.scores(AdaptedWeights(methods, broken), PROMPTS, LABELS)
    assert np.isfinite(scores).all()


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_training_does_not_compute_frozen_layers(dropout):
    method, store = replace(UPPER["lora"], dropout=dropout), StateStore(None, 2**30)
    leaves, rows, dev = with_method(method, PARAMS), encoded(9), encoded(8, 5)
    member = Member(0, hyper(method), leaves, rows, dev, FRAME)
    kept, methods = trunk(leaves, store), member.hyper.methods
    kept.of_labels(methods, leaves, EncodedPrompts(dev, FRAME), LABELS)
    found = kept.of_targets(methods, leaves, EncodedPrompts(rows, FRAME), 3, training=True)
    assert found is not None
    broken = with_broken_layer(leaves)
    member = replace(member, leaves=broken, frame=found.frame, states=found.rows)
    program = Program(MODEL, SCHEDULE)
    [outcome] = fit_members(program, [member], trunk=trunk(broken, store))
    assert len(outcome.progress.history) == 2
    assert np.isfinite(outcome.progress.history).all()


@pytest.mark.parametrize(
    "method", [Full(), SoftPrompt(length=2), PrefixTuning(length=2), LoRA(targets=("query",))]
)
def test_no_trunk_below_methods_of_the_first_layer(method):
    assert states(trunk(least_share=0.1), method) is None


def test_no_states_of_other_leaves_than_the_backbones():
    kept = trunk()
    changed = {**PARAMS, "layers_0/mlp/up/kernel": PARAMS["layers_0/mlp/up/kernel"] + 1}
    assert states(kept, params=changed) is None
    above = {**PARAMS, "layers_2/mlp/up/kernel": PARAMS["layers_2/mlp/up/kernel"] + 1}
    assert states(kept, params=above) is not None


def test_a_small_trunk_is_not_kept():
    assert states(trunk(least_flops=1e9)) is None


def test_states_larger_than_the_memory_are_not_computed(capsys):
    kept = trunk(store=StateStore(None, 100))
    assert states(kept) is None
    assert states(kept) is None
    [line] = capsys.readouterr().err.splitlines()
    assert "trunk_gib" in line


def test_flops_follow_the_width():
    kept = states(trunk())
    assert kept is not None
    method = UPPER["last_layers"]
    unknown, weights = divided((method,), with_method(method, PARAMS))
    rows = replace(encoded(5, width=20))
    batch = batch_rows(rows, np.arange(5), 5, 20, 3)
    function = trunk()._targets
    whole = traced(function, Arguments((unknown, (method,), None), weights, (FRAME,), batch))
    assert kept.rows.flops(5, 20) == pytest.approx(sum(whole.flops_below(kept.rows.cut)))


@pytest.mark.parametrize("labels", [2, 200])
def test_frozen_layers_that_are_too_small_are_not_traced(labels, monkeypatch: pytest.MonkeyPatch):
    """As if the boundary had been found; many labels take many FLOPs for a token of the text."""
    many = Labels(np.full((labels, 3), 5, np.int32), np.full(labels, 3, np.int32))
    method, least = UPPER["last_layers"], 2e5
    leaves, searched = with_method(method, PARAMS), []
    find = trunk_module.find_boundary

    def found(*arguments):
        searched.append(find(*arguments))
        return searched[-1]

    monkeypatch.setattr(trunk_module, "find_boundary", found)
    kept = trunk(least_flops=least, least_share=0.0).of_labels((method,), leaves, PROMPTS, many)
    monkeypatch.setattr(trunk_module, "is_small", lambda *arguments: False)
    traced_kept = trunk(least_flops=least).of_labels((method,), leaves, PROMPTS, many)
    assert (kept is None) == (traced_kept is None) == (labels == 2)
    assert len(searched) == (1 if labels == 2 else 2)
