"""The cases of a real backbone and the inputs of the table race."""

import json
import os

import numpy as np
import pytest

from research.common.paths import resolve_path
from research.studies.speed.case import OURS
from research.studies.speed.case_files import read_batches, read_trained
from research.studies.speed.real_model.cases import model_cases, table_case
from research.studies.speed.real_model.table_files import write_table_inputs
from research.studies.speed.real_model.table_format import read_table
from tests import checkpoints

NAMES = [
    "LoRA r=8, 8 x 64",
    "LoRA r=8 on all matrices, 8 x 64",
    "LoRA r=8, 16 x 128, loss on all tokens",
    "soft prompt 20, 8 x 64",
    "soft prompt 100, 8 x 32",
    "full, 8 x 64",
    "last 2 layers, 8 x 64",
    "LoRA r=8, 8 x 64, layers as a scan, against unrolled",
]


def test_a_decoder_has_all_cases_with_targets(tmp_path):
    folder = str(checkpoints.write(tmp_path / "m", "llama, one key head, tied"))
    cases = model_cases(folder, "tiny")
    assert [case.name for case in cases] == [
        f"tiny, {name}" for name in (*NAMES, "final norm alone, 8 x 64")
    ]
    assert [case.at_least for case in cases] == [1.4, 1.4, 1.3, 1.6, 3.6, 1.3, 5.0, None, 20.0]
    against_ours = [case.name for case in cases if case.other[0] == OURS]
    assert against_ours == [case.name for case in cases if case.memory_at_most != 1.1]
    assert against_ours == [f"tiny, {NAMES[-1]}"]
    assert [case.compile_at_most for case in cases] == [30.0] * 3 + [None] * 6
    table = table_case(folder, "tiny")
    assert table is not None and table.at_least == 2.5


@pytest.mark.parametrize("variant, last", [("t5 1.1", "head alone"), ("bert", "head alone")])
def test_other_models_have_no_loss_on_all_tokens_and_no_targets(variant, last, tmp_path):
    folder = str(checkpoints.write(tmp_path / "m", variant))
    cases = model_cases(folder, "tiny")
    names = [name for name in NAMES if "all tokens" not in name]
    assert [case.name for case in cases] == [f"tiny, {n}" for n in (*names, f"{last}, 8 x 64")]
    assert {case.at_least for case in cases} == {None}
    assert table_case(folder, "tiny") is None


def test_trained_tensors_have_the_names_of_the_checkpoint(tmp_path):
    folder = str(checkpoints.write(tmp_path / "m", "llama, one key head, tied"))
    case = model_cases(folder, "tiny")[-1]
    (tmp_path / "case").mkdir()
    case.prepare(tmp_path / "case")
    trained = read_trained(tmp_path / "case")
    assert trained is not None and trained.tensors == ["model.norm.weight"]
    batches = read_batches(tmp_path / "case")
    assert batches.tokens.shape == (4, 8, 64) and (batches.prompt_length == 63).all()


def test_the_table_race_has_the_data_of_our_sweep(shared, tmp_path):
    """16 shots of two classes, as many for dev, and two of each of four approaches."""
    write_table_inputs(tmp_path, resolve_path("world-1m", "backbone"))
    inputs = read_table(tmp_path)
    assert [len(rates) for rates in inputs.rates] == [2] * 4 and len(inputs.seeds) == 2
    for data in inputs.seeds:
        assert data.batches.shape == (40, 8)
        for split in (data.train, data.dev):
            assert np.bincount(split.label).tolist() == [16, 16]
    assert len(inputs.test.label) == 200
    assert len((tmp_path / "test.tsv").read_text().splitlines()) == 201
    adapters = [(tmp_path / f"approaches/{i}/adapters/0").is_dir() for i in range(4)]
    assert adapters == [True, True, False, False]
    last = json.loads((tmp_path / "approaches/2/trained.json").read_text())
    assert last["methods"] == [{"name": "last_layers", "last": 2}]
    assert os.path.samefile(tmp_path / "approaches/0/model", tmp_path / "model")
    targets = [
        tuple(inputs.labels[label, :length]) for label, length in enumerate(inputs.label_lengths)
    ]
    row = inputs.seeds[0].train
    target = tuple(row.tokens[0, row.prompt_length[0] : row.length[0]])
    assert target == targets[row.label[0]]
