"""Our side of the cases, on tiny shapes, against one plain forward pass for each row."""

from functools import partial
from importlib.util import find_spec

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.trunk.trunk import Trunk
from research.interop.peft import load_adapter
from research.methods.last_layers import LastLayers
from research.methods.soft_prompt import SoftPrompt
from research.models.backbone import load_backbone
from research.studies.speed import shapes
from research.studies.speed.case import OURS, PEFT
from research.studies.speed.case_files import adapter_folders, read_batches
from research.studies.speed.cases import CASES, LORA, PREFIX, random_case
from research.studies.speed.sides import training_in_loop
from research.studies.speed.sides.our_inputs import CaseInputs
from research.studies.speed.sides.our_side import WORKS
from research.tasks.encoding.encoded import Labels
from tests import tiny
from tests.thorough import cases

ROWS, WIDTH, TARGETS = 3, 9, 2


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A decoder whose words are those that cases draw, 10 and up."""
    model, _ = tiny.decoder(tied=False, vocab_size=40, head_width=4)
    monkeypatch.setitem(shapes.SHAPES, "tiny", lambda: model)


def written(folder, methods=(), **settings):
    """(backbone, batches) of a case, as its files have them."""
    random_case(folder, "tiny", ROWS, WIDTH, TARGETS, methods, **settings)
    return load_backbone(str(folder / "model")), read_batches(folder)


def loss(backbone, batches, place, before):
    """-log p, the mean over target tokens of a batch; before: [P, D] embeddings."""
    table, total = np.asarray(backbone.params["embed/embedding"]), 0.0
    for row in batches.tokens[place]:
        inputs = jnp.asarray(np.concatenate([before, table[row]]))
        logprobs = np.asarray(tiny.all_logprobs(backbone.model, backbone.params, inputs))
        for at in range(WIDTH - TARGETS, WIDTH):
            total -= logprobs[len(before) + at - 1, row[at]]
    return total / (ROWS * TARGETS)


SOFT = (SoftPrompt(length=4),)


@pytest.mark.parametrize("methods", cases([(), (LORA,), SOFT], quick=[SOFT]), ids=str)
def test_a_step_begins_at_the_loss_of_a_plain_pass_and_learns(methods, tmp_path):
    """LoRA starts as nothing; each batch comes again after all others."""
    backbone, batches = written(tmp_path, methods)
    before = np.zeros((0, 16), np.float32)
    for folder in adapter_folders(tmp_path):
        [method], leaves = load_adapter(folder, backbone.model, backbone.params)
        if isinstance(method, SoftPrompt):
            before = np.asarray(leaves["soft_prompt:/prompt"])
    work = WORKS["train"](tmp_path, "float32", 3e-3)
    first = [work.step() for _ in batches.tokens]
    assert first[0] == pytest.approx(loss(backbone, batches, 0, before), rel=1e-5)
    again = [work.step() for _ in batches.tokens]
    assert np.mean(again) < np.mean(first)
    assert work.flops() > 0


@pytest.mark.parametrize("kept", [False, True], ids=["plain", "kept"])
def test_the_loop_of_a_run_takes_the_steps_of_the_batches(kept, tmp_path, monkeypatch):
    """In the first epoch, also from the states of a kept trunk, whose steps have fewer FLOPs."""
    if kept:
        monkeypatch.setattr(training_in_loop, "Trunk", partial(Trunk, least_flops=0.0))
    written(tmp_path, (LastLayers(last=1),))
    step, loop = (WORKS[w](tmp_path, "float32", 3e-3) for w in ("train", "train in the loop"))
    losses = np.array([(step.step(), loop.step()) for _ in step.parts])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-5)
    assert (loop.loop.members[0].states is not None) == kept
    assert (loop.flops() < 0.9 * step.flops()) == kept
    assert loop.profile().keys() >= {"matrix products", "element-wise"}


def test_runs_that_advance_together_lose_what_one_does(tmp_path, monkeypatch):
    """And take as many times its operations, the sum of products of all of them."""
    monkeypatch.setattr(WORKS["train 16 together"], "runs", 3)
    written(tmp_path, (LORA,))
    one, together = (WORKS[w](tmp_path, "float32", 3e-3) for w in ("train", "train 16 together"))
    for _ in range(3):
        assert together.step() == pytest.approx(one.step(), rel=1e-5)
    assert together.flops() == pytest.approx(3 * one.flops(), rel=0.01)
    assert together.profile().keys() >= {"matrix products", "element-wise"}


@pytest.mark.thorough
def test_a_step_by_scan_is_that_of_unrolled_layers(tmp_path, monkeypatch):
    """Of the three layers the last computes few positions, so that two are one scan."""
    model, _ = tiny.decoder(tied=False, vocab_size=40, head_width=4, layers=3)
    monkeypatch.setitem(shapes.SHAPES, "tiny", lambda: model)
    written(tmp_path, (LORA,))
    scan, plain = (WORKS[w](tmp_path, "float32", 3e-3) for w in ("train by scan", "train"))
    for _ in range(3):
        assert scan.step() == pytest.approx(plain.step(), rel=1e-5)
    assert scan.flops() == pytest.approx(plain.flops(), rel=0.1)
    assert "while" in scan.cohort.compiled(scan.parts[0], scan.frame, scan.hyper).as_text()


@pytest.mark.thorough
def test_labels_are_scored_after_the_opening_and_the_row(tmp_path):
    backbone, batches = written(tmp_path, opening=5, labels=3)
    table, scores = np.asarray(backbone.params["embed/embedding"]), []
    for row in batches.tokens[0]:
        prompt = np.concatenate([batches.prefix_ids, row[: WIDTH - TARGETS]])
        for label in batches.labels:
            inputs = jnp.asarray(table[np.concatenate([prompt, label])])
            logprobs = np.asarray(tiny.all_logprobs(backbone.model, backbone.params, inputs))
            scores.append(sum(logprobs[len(prompt) + i - 1, t] for i, t in enumerate(label)))
    found = WORKS["score"](tmp_path, "float32", 0.0).step()
    assert found == pytest.approx(np.mean(scores), rel=1e-5)


@pytest.mark.thorough
def test_mixed_tasks_are_each_row_by_its_own_adapter(tmp_path, monkeypatch):
    """Prefixes, whose values differ from one to the next; the mean over rows alone is the same."""
    monkeypatch.setattr(WORKS["mixed"], "tasks", 2)
    prefix = type(PREFIX)(length=2)
    backbone, batches = written(tmp_path, (prefix,), opening=1, labels=2, adapters=2)
    mixed, inputs = WORKS["mixed"](tmp_path, "float32", 0.0), CaseInputs(tmp_path, "float32")
    labels = Labels(batches.labels, np.full(2, TARGETS, np.int32))
    scores = []
    for row in range(ROWS):
        methods, added = inputs.adapter(row % 2)
        leaves = {**backbone.params, **added}
        one = jax.tree.map(lambda x, row=row: x[row : row + 1], mixed.parts[0])
        found = tiny.scored(backbone.model, methods, leaves, one, inputs.frame(), labels)
        scores.append(float(found.mean()))
    assert mixed.step() == pytest.approx(np.mean(scores), rel=1e-5)
    apart = WORKS["one task"](tmp_path, "float32", 0.0).step()
    assert abs(apart - np.mean(scores)) > 1e-4


def test_names_are_those_of_works_and_differ():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)
    assert {case.ours for case in CASES} <= WORKS.keys()
    ours = {workload for module, workload in (case.other for case in CASES) if module == OURS}
    assert ours <= WORKS.keys()


def test_the_modules_of_both_sides_exist():
    """A worker imports its side by the name of the module."""
    for module, _ in (case.other for case in CASES):
        assert module in (OURS, PEFT)
        assert find_spec(f"research.studies.speed.sides.{module}") is not None
