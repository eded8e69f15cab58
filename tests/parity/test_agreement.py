"""Runs of a sweep trained again with PyTorch and PEFT."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.records.store import RunStore
from research.studies.agreement import peft_run
from research.studies.agreement.study import AgreementStudy
from tests import films

ROWS = {
    "LoRA": {"name": "lora", "rank": 2, "targets": ("value", "down")},
    "soft prompt": {"name": "soft_prompt", "length": 3},
    "last layer": {"name": "last_layers", "last": 1},
    "full": {"name": "full"},
}


def changed(config, **changes):
    """The config with one learning rate for each of `ROWS`, and two seeds."""
    rows = [
        {"name": name, "stages": [{"method": method, **changes}], "trials": [{"learning_rate": r}]}
        for (name, method), r in zip(ROWS.items(), (1.0, 0.3, 0.03, 0.03), strict=True)
    ]
    schedule = {"steps": 12, "batch_size": 4, "eval_every": 3, "patience": 2, "clip": 0.5}
    return {**config, "approaches": rows, "seeds": 2, "search_seeds": 1, "schedule": schedule}


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """(config, results folder) of a sweep of `ROWS`."""
    folder = tmp_path_factory.mktemp("agreement")
    config = changed(films.settings(films.write_inputs(folder)), weight_decay=0.1)
    return config, films.run(config, folder / "results")


def study(swept, answers, rows=tuple(ROWS), **fields):
    config, results = swept
    lines = fields.pop("lines", [])
    experiment = Experiment.parse(config)
    return AgreementStudy(experiment, results, answers, rows, report=lines.append, **fields)


def in_process(command, check):
    """The command of a run of PyTorch, in this process."""
    assert check and command[1:3] == ["-m", "research.studies.agreement.peft_run"]
    answers = peft_run.train_with_peft(Path(command[3]))
    Path(command[4]).write_text(json.dumps(answers._asdict()))


def test_both_sides_take_the_same_steps(swept, tmp_path, monkeypatch):
    """Dev scores, dev losses, the best step and the answers; every run is trained once."""
    monkeypatch.setattr(subprocess, "run", in_process)
    lines = []
    comparisons = list(study(swept, tmp_path, lines=lines).comparisons())
    assert [comparison.approach for comparison in comparisons] == list(ROWS)
    assert len(lines) == 8 and lines[1] == "LoRA, films, 4-shot, seed 1"
    for comparison in comparisons:
        assert comparison.same == 1 and comparison.agrees, comparison.approach
        assert [run.our_step for run in comparison.runs] == [r.peft_step for r in comparison.runs]
    records = {record.run_id: record for record in RunStore(swept[1]).all()}
    for file in tmp_path.glob("*.json"):
        history = np.array(json.loads(file.read_text())["history"])
        ours = [(at.step, at.dev_score, at.dev_loss) for at in records[file.stem].history[-1]]
        moved = np.ptp(history[:, 2])
        assert moved > 5e-4  # a hundred times the rounding of a loss in float32
        np.testing.assert_allclose(history, ours, atol=moved / 20, rtol=0)
    again = list(study(swept, tmp_path, lines=lines).comparisons())
    assert len(lines) == 8
    assert [c.difference for c in again] == [c.difference for c in comparisons]


def test_a_run_of_pytorch_is_a_process_without_jax(swept, tmp_path):
    [comparison] = study(swept, tmp_path, ["last layer"]).comparisons()
    assert comparison.same == 1 and len(list(tmp_path.glob("*.json"))) == 2
    code = "import sys, research.studies.agreement.peft_run; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": ["Lora"]}, "approach is 'Lora'"),
        ({"regimes": ["8-shot"]}, "regime is '8-shot'"),
    ],
)
def test_what_the_experiment_lacks_is_a_sentence(swept, tmp_path, fields, message):
    with pytest.raises(InputError, match=message):
        list(study(swept, tmp_path, **fields).comparisons())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schedule": {"steps": 12, "label_smoothing": 0.1}}, "AdamW without further settings"),
        ({"schedule": {"steps": 12, "optimizer": "adafactor"}}, "AdamW without further settings"),
    ],
)
def test_a_run_that_a_plain_loop_does_not_follow(swept, tmp_path, changes, message):
    config = changed(swept[0], **changes)
    results = films.run({**config, "approaches": config["approaches"][:1]}, tmp_path / "results")
    with pytest.raises(InputError, match=message):
        list(study((config, results), tmp_path / "answers", ["LoRA"]).comparisons())


def test_a_sweep_that_is_not_finished(swept, tmp_path):
    with pytest.raises(InputError, match="LoRA, films, 4-shot is not complete"):
        list(study((swept[0], tmp_path / "none"), tmp_path, ["LoRA"]).comparisons())
