"""What `--plan` says is what a sweep does."""

import importlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.reporting.render.terminal import show
from research.reporting.tables.dry_run import dry_run_table, duration
from research.sweeps.dry_run import DryRunRow, plan_only
from tests import checkpoints

RESULTS = Path(__file__).parents[2] / "results/quickstart_reference"


def planned(config: dict[str, Any], folder: Path):
    return plan_only(Experiment.parse(config), folder)


def shown(config: dict[str, Any], folder: Path) -> str:
    console = Console(file=io.StringIO(), width=160)
    show(dry_run_table(planned(config, folder)), console)
    return console.file.getvalue()  # pyright: ignore


@pytest.fixture(scope="module")
def quickstart() -> dict[str, DryRunRow]:
    """The quickstart as it is configured, planned beside the committed records of its run."""
    config = importlib.import_module("configs.quickstart").get_config().to_dict()
    return {row.approach: row for row in planned(config, RESULTS).rows}


@pytest.fixture(scope="module")
def records() -> dict[str, list[RunRecord]]:
    """The committed records by approach."""
    found: dict[str, list[RunRecord]] = {}
    for record in RunStore(RESULTS).all():
        found.setdefault(record.approach, []).append(record)
    return found


def test_a_plan_counts_what_a_sweep_did(quickstart, records):
    assert quickstart.keys() == records.keys()
    for name, row in quickstart.items():
        own = records[name]
        assert row.runs == row.recorded == len(own)
        if row.sizes:  # without the backbone, the data decide, and there are no cohorts
            assert row.cohorts == len({record.cohort for record in own})
            assert {(one.trained, one.stored_bytes) for one in row.sizes} == {
                (one.costs.trained_params, one.costs.stored_bytes) for one in own
            }
        trains = bool(row.sizes) and row.sizes[0].trained > 0
        assert len(row.programs) == int(trains)


def test_records_on_hand_tell_the_time(quickstart, records):
    """Nine runs in each cell, of two tasks in two regimes."""
    cells: dict[tuple[str, str], list[float]] = {}
    for record in records["LoRA"]:
        key = record.task, record.regime
        cells.setdefault(key, []).append(record.costs.train_seconds)
    expected = sum(9 * np.median(found) for found in cells.values())
    assert quickstart["LoRA"].seconds == pytest.approx(expected)


def test_records_of_other_schedules_tell_nothing():
    config = importlib.import_module("configs.quickstart").get_config().to_dict()
    config |= {"tasks": config["tasks"][:1], "schedule": {**config["schedule"], "steps": 60}}
    rows = {row.approach: row for row in planned(config, RESULTS).rows}
    assert rows["LoRA"].recorded == 0 < rows["LoRA"].seconds
    assert rows["zero-shot prompt"].recorded == rows["zero-shot prompt"].runs


def test_programs_differ_by_schedule_and_by_classes(config):
    head = {"name": "head"}
    row = {"name": "head", "stages": [{"methods": [head]}], "trials": [{}]}
    tasks = tuple(hub_task(name, labels) for name, labels in (("a", 2), ("b", 2), ("c", 3)))
    config.pop("task")
    config |= {"tasks": tasks, "approaches": [row]}
    config |= {"backbone": "no/such-model", "architecture": checkpoints.BERT}
    [found, *_] = planned(config, Path("nowhere")).rows
    assert len(found.programs) == 2
    config["schedules"] = {"b": {"steps": 5}}
    [found, *_] = planned(config, Path("nowhere")).rows
    assert len(found.programs) == 3


def hub_task(name: str, labels: int) -> dict[str, Any]:
    """A dataset that is nowhere, and all that a plan has to know of it."""
    texts = {str(label): f"text {label}" for label in range(labels)}
    common = {"source": "file", "path": f"no/{name}", "train": "train", "test": "test"}
    return {**common, "name": name, "templates": ("{text} It was",), "verbalizer": texts}


def test_neither_weights_nor_examples_are_needed(config):
    config |= {"backbone": "no/such-model", "task": hub_task("far", 2)}
    with pytest.raises(InputError, match="no such folder here, and the hub gave none") as error:
        planned(config, Path("nowhere"))
    assert "\n" not in str(error.value)
    text = shown({**config, "architecture": checkpoints.LLAMA}, Path("nowhere"))
    assert "GFLOP/s, the speed of a matrix product" in text and "stored records" not in text
    assert "Assumed length of texts that are not downloaded, 128 tokens: far." in text
    # Two layers: query and value [24, 24], down [40, 24], at rank 2.
    assert f" {2 * 2 * (48 + 48 + 64)} " in text
    del config["task"]["verbalizer"]  # so that the examples have to say which labels there are
    with pytest.raises(InputError, match="path is 'no/far'"):
        planned({**config, "architecture": checkpoints.LLAMA}, Path("nowhere"))


def test_a_folder_with_a_config_alone(config, tmp_path: Path):
    folder = checkpoints.write(tmp_path / "whole", "gpt2")
    config["approaches"] = [{"name": "full", "stages": [{"method": {"name": "full"}}]}]
    whole = planned({**config, "backbone": str(folder)}, tmp_path / "nowhere")
    (folder / "model.safetensors").unlink()
    assert planned({**config, "backbone": str(folder)}, tmp_path / "nowhere").rows[0].sizes == (
        whole.rows[0].sizes
    )


def test_durations():
    assert [duration(s) for s in (0, 42, 450, 10_800, 1e6)] == [
        "0 s",
        "42 s",
        "7.5 min",
        "3.0 h",
        "11.6 days",
    ]
