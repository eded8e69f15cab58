"""Both sides of the cases of a real backbone, and the plain loop of the table race."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.methods.soft_prompt import SoftPrompt
from research.studies.speed.inputs import write_methods
from research.studies.speed.real_model.cases import model_cases
from research.studies.speed.real_model.model_files import link_model, model_case
from research.studies.speed.real_model.peft_table import PeftTable
from research.studies.speed.real_model.table_format import (
    EncodedSplit,
    SeedData,
    TableInputs,
    write_table,
)
from research.studies.speed.sides import our_side, peft_side
from tests import checkpoints
from tests.thorough import cases

TIED = "llama, one key head, tied"
ROWS = ("LoRA r=8 on all matrices", "soft prompt 20", "full", "last 2 layers", "alone")
VARIANTS = [TIED, "gpt2", "t5 1.1", "bert", "roberta"]
QUICK = [(TIED, row) for row in ROWS[:1] + ROWS[3:]] + [("bert", "alone"), ("t5 1.1", "alone")]
ALL = [(variant, row) for variant in VARIANTS for row in ROWS]


def small(method):
    """The method for a model of two layers and 32 positions."""
    if isinstance(method, SoftPrompt):
        return replace(method, length=4)
    return replace(method, last=1) if isinstance(method, LastLayers) else method


@pytest.mark.parametrize("pair", cases(ALL, quick=QUICK), ids=": ".join)
def test_losses_of_both_sides_are_equal_while_they_train(pair, tmp_path):
    variant, row = pair
    checkpoints.write(tmp_path / "m", variant)
    case = next(case for case in model_cases(str(tmp_path / "m"), "tiny") if row in case.name)
    settings = case.write.keywords
    settings = {**settings, "methods": tuple(map(small, settings["methods"]))}
    (tmp_path / "case").mkdir()
    model_case(tmp_path / "case", **{**settings, "rows": 3, "width": 9})
    arguments = (tmp_path / "case", "float32", 1e-3)
    sides = [our_side.WORKS[case.ours](*arguments), peft_side.WORKS["train"](*arguments)]
    losses = np.array([[side.step() for side in sides] for _ in range(4)])
    np.testing.assert_allclose(losses[:, 0], losses[:, 1], rtol=1e-4)
    assert np.ptp(losses[:, 0]) > 1e-4


APPROACHES = [(SoftPrompt(length=4),), (LoRA(rank=2),), (LastLayers(last=1),)]


@pytest.fixture
def table(tmp_path):
    """A folder with made-up data whose class stands in the first token, and its inputs."""
    checkpoints.write(tmp_path / "m", TIED)
    folder = tmp_path / "table"
    folder.mkdir()
    link_model(folder, str(tmp_path / "m"))
    for index, methods in enumerate(APPROACHES):
        approach = folder / "approaches" / str(index)
        approach.mkdir(parents=True)
        (approach / "model").symlink_to(folder / "model")
        write_methods(approach, methods)
    draw, labels = np.random.default_rng(0), np.array([[5, 7, 0], [6, 9, 7]], np.int32)
    lengths = np.array([2, 3])

    def split(rows):
        label, start = draw.integers(0, 2, rows), draw.integers(3, 7, rows)
        tokens = draw.integers(10, 60, (rows, 12)).astype(np.int32)
        for row in range(rows):
            target = labels[label[row], : lengths[label[row]]]
            tokens[row, 0] = 10 + label[row]
            tokens[row, start[row] : start[row] + len(target)] = target
        return EncodedSplit(tokens, start + lengths[label], start, label)

    seeds = [SeedData(split(8), split(6), draw.integers(0, 8, (5, 4))) for _ in range(2)]
    rates = [[1e-2, 1e-1], [1e-3, 1e-2], [1e-9, 1e-2]]
    inputs = TableInputs(rates, np.array([1], np.int32), labels, lengths, split(20), seeds)
    write_table(folder, inputs)
    return folder, inputs


def test_the_plain_loop_trains_every_run_from_the_same_weights(table, monkeypatch):
    """And leaves the model as it was, so that a second table is the same."""
    folder, inputs = table
    loop, trained = PeftTable(folder, "float32", 0.0), []
    before = {name: x.clone() for name, x in loop.model.state_dict().items()}
    train = PeftTable._train

    def recorded(self, model, parameters, data, rate):
        begin = [p.detach().clone() for p in parameters]
        train(self, model, parameters, data, rate)
        moved = max((p - b).abs().max().item() for p, b in zip(parameters, begin, strict=True))
        trained.append((rate, [b.sum().item() for b in begin], moved))

    monkeypatch.setattr(PeftTable, "_train", recorded)
    first = loop.step()
    accuracies = loop.accuracies
    assert [rate for rate, _, _ in trained] == [r for rs in inputs.rates for r in rs for _ in "ab"]
    for index in range(0, len(trained), 4):
        assert all(begin == trained[index][1] for _, begin, _ in trained[index : index + 4])
    assert all(moved > 0 for _, _, moved in trained)
    assert loop.step() == first and loop.accuracies == accuracies
    assert {name: x for name, x in loop.model.state_dict().items()}.keys() == before.keys()
    assert all(torch.equal(x, before[name]) for name, x in loop.model.state_dict().items())


def test_accuracies_are_those_of_the_likeliest_label(table):
    """Against one forward pass of transformers for each row and label."""
    folder, inputs = table
    inputs = inputs._replace(rates=[[1e-9], [1e-9], [1e-9]])
    write_table(folder, inputs)
    loop = PeftTable(folder, "float32", 0.0)
    loop.step()
    model = transformers.AutoModelForCausalLM.from_pretrained(str(folder / "model")).eval()
    test, right = inputs.test, 0
    for row, start in enumerate(test.prompt_length):
        scores = []
        for label, length in zip(inputs.labels, inputs.label_lengths, strict=True):
            ids = np.concatenate([inputs.prefix_ids, test.tokens[row, :start], label[:length]])
            with torch.no_grad():
                logits = model(torch.tensor(ids[None].astype(np.int64))).logits[0].double()
            logprobs = torch.log_softmax(logits, -1)
            scores.append(sum(logprobs[-length - 1 + i, label[i]].item() for i in range(length)))
        right += int(np.argmax(scores) == test.label[row])
    assert loop.accuracies[1:] == [right / 20] * 2


def test_pytorch_that_cannot_load_a_model_is_a_sentence(tmp_path):
    folder = checkpoints.write(tmp_path / "m", TIED)
    (folder / "model.safetensors").write_bytes(b"no tensors")
    (tmp_path / "model").symlink_to(folder)
    with pytest.raises(Exception, match="--model is .* PyTorch cannot load it"):
        peft_side.WORKS["load"](tmp_path, "float32", 0.0)


def test_the_side_of_pytorch_does_not_import_jax():
    """Its memory is compared with ours."""
    code = "import sys, research.studies.speed.sides.peft_side; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
