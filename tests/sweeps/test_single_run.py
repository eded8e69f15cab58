"""One run alone: the record that a sweep leaves, with the same id."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import research.sweeps.single_run as one_run
from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.records.weights import load_trained
from research.sweeps.single_run import RunRequest, train_run
from tests.films import run
from tests.sweeps.results_folder import by_row, results


def train(config: dict[str, Any], folder: Path, shown: list[str], **wanted: Any) -> dict[str, Any]:
    return train_run(
        Experiment.parse(config),
        folder,
        RunRequest(**wanted),
        lambda progress: None if progress.scoring else shown.append(progress.line),
    )


def untested(record: RunRecord) -> dict[str, Any]:
    """What a record says of its training."""
    names = ("approach", "trial", "seeds", "status", "history", "cohort", "settings", "data")
    scores = {split: scored for split, scored in record.metrics.items() if split != "test"}
    return {name: getattr(record, name) for name in names} | {"metrics": scores}


def test_a_run_alone_is_the_run_of_a_sweep(
    swept: Path, config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A sweep finds it done; another call does nothing; what it trained is kept."""
    shown: list[str] = []
    record = train(config, tmp_path, shown, approach="LoRA", learning_rate=0.1, seed=1)
    assert shown[0] == "LoRA, films, 4-shot: learning_rate 0.1, seed 1, step 1/4"
    assert [line.split("step ")[1][:3] for line in shown] == ["1/4", "2/4", "4/4"]
    assert record.trial == {"learning_rate": 0.1} and not record.tested
    assert untested(record) == untested(RunStore(swept).read(record.run_id))
    kept = load_trained(tmp_path, record.run_id)
    assert sum(leaf.size for leaf in kept.values()) == record.costs.trained_params
    assert any(np.any(leaf) for leaf in kept.values())
    with monkeypatch.context() as patch:
        patch.delattr(one_run, "RunExecutor")
        assert train(config, tmp_path, shown, approach="LoRA", trial=1, seed=1) == record
    file = tmp_path / "runs" / f"{record.run_id}.json"
    before = file.read_text()
    assert results(run(config, tmp_path)) == results(swept)
    chosen = next(r.trial for r in by_row(tmp_path)["LoRA"] if r.tested)
    assert (file.read_text() == before) == (chosen != record.trial)


def test_a_seed_that_only_the_chosen_trial_runs_with(swept: Path, config: dict, tmp_path: Path):
    """Its record names the cohort of the later seeds."""
    [later] = [record for record in by_row(swept)["few-shot"] if record.seed == 2]
    draw = later.trial["draw"]
    record = train(config, tmp_path, [], approach="few-shot", trial=draw, seed=2)
    assert untested(record) == untested(later)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"approach": None}, "approach is None: allowed are LoRA, "),
        ({"approach": "LoRa"}, "approach is 'LoRa': did you mean 'LoRA'?"),
        ({"approach": "LoRA", "task": "film"}, "task is 'film': did you mean 'films'?"),
        ({"approach": "LoRA", "regime": "500"}, "regime is '500': allowed are 4-shot"),
        ({"approach": "LoRA", "learning_rate": 0.2}, "learning_rate is 0.2: .*allowed are 0.01, 0"),
        ({"approach": "LoRA", "trial": 3}, "trial is 3: there are trials 0 to 2"),
        ({"approach": "LoRA", "seed": 3}, "seed is 3: the experiment has seeds 0 to 2"),
        ({"approach": "most common target"}, "task is 'films': most common target cannot"),
    ],
)
def test_a_run_that_the_experiment_does_not_have(
    wanted: dict[str, Any], said: str, config: dict, tmp_path: Path
):
    with pytest.raises(InputError, match=said):
        train(config, tmp_path / "results", [], **wanted)
    assert not (tmp_path / "results").exists()


def test_only_what_the_run_needs_is_read(swept: Path, config: dict, tmp_path: Path):
    """No other task, and no held-out text, which is for test."""
    elsewhere = {**config["task"], "name": "elsewhere", "train": "missing.csv"}
    config |= {"tasks": (config.pop("task"), elsewhere), "held_out": "missing.txt"}
    record = train(config, tmp_path, [], approach="LoRA", learning_rate=0.1, seed=1)
    assert record.metrics == RunStore(swept).read(record.run_id).metrics
    assert record.configuration.held_out == "missing.txt"
    with pytest.raises(InputError, match="missing.csv"):
        train(config, tmp_path, [], approach="LoRA", task="elsewhere")
