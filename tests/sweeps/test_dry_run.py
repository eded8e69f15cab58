"""What `--plan` says is what a sweep does."""

import importlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from research.common.errors import InputError
from research.experiments import presets
from research.experiments.experiment import Experiment
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.reporting.render.terminal import show
from research.reporting.tables.dry_run import dry_run_table
from research.runs.context import open_context
from research.sweeps.cell_runner import check_cell
from research.sweeps.dry_run.dry_run import plan_only
from research.sweeps.dry_run.machine import HALF_RATE, Machine
from research.sweeps.dry_run.row import DryRunRow
from research.tasks.encoding.tokenization import TextTokenizer
from tests import checkpoints
from tests.sweeps.family_experiments import prepared

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
    assert quickstart["LoRA"].training == pytest.approx(expected)


def test_records_of_other_schedules_tell_nothing():
    config = importlib.import_module("configs.quickstart").get_config().to_dict()
    config |= {"tasks": config["tasks"][:1], "schedule": {**config["schedule"], "steps": 60}}
    rows = {row.approach: row for row in planned(config, RESULTS).rows}
    assert rows["LoRA"].recorded == 0 < rows["LoRA"].training
    assert rows["zero-shot prompt"].recorded == rows["zero-shot prompt"].runs


@pytest.mark.parametrize("change", ["backbone", "precision", "max_tokens", "examples"])
def test_records_of_another_backbone_and_of_other_inputs_tell_nothing(tmp_path: Path, change: str):
    config = importlib.import_module("configs.quickstart").get_config().to_dict()
    config |= {"tasks": config["tasks"][:1]}
    changes: dict[str, Any] = {
        "backbone": {"backbone": str(checkpoints.write(tmp_path / "other", "llama"))},
        "precision": {"precision": "bfloat16"},
        "max_tokens": {"max_tokens": 200},
        "examples": {"tasks": [{**config["tasks"][0], "seed": 1}]},
    }
    assert all(row.recorded for row in planned(config, RESULTS).rows)
    assert not any(row.recorded for row in planned({**config, **changes[change]}, RESULTS).rows)


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
    text = " ".join(text.split())
    assert "GFLOP/s of a large matrix product" in text and "stored records" not in text
    assert "Assumed length of texts that are not downloaded, 128 tokens: far." in text
    # Two layers: query and value [24, 24], down [40, 24], at rank 2.
    assert f" {2 * 2 * (48 + 48 + 64)} " in text
    del config["task"]["verbalizer"]  # so that the examples have to say which labels there are
    with pytest.raises(InputError, match="path is 'no/far'"):
        planned({**config, "architecture": checkpoints.LLAMA}, Path("nowhere"))


def test_ways_to_score_a_label_by_masks_are_planned(tmp_path: Path):
    """Labels of one and of two tokens have two of them."""
    config = prepared(tmp_path, "bert", ("cls", "sep", "mask"), [{"name": "zero-shot"}])
    experiment = Experiment.parse(config)
    tasks = {task.name: task.load() for task in experiment.tasks}
    plan = open_context(experiment, tmp_path / "results").cells(experiment, tasks)
    runs = {cell.approach.name: cell.size for cell in plan}
    assert runs["zero-shot"] == 2
    assert {row.approach: row.runs for row in planned(config, tmp_path).rows} == runs


def test_a_folder_with_a_config_alone(config, tmp_path: Path):
    folder = checkpoints.write(tmp_path / "whole", "gpt2")
    config["approaches"] = [{"name": "full", "stages": [{"method": {"name": "full"}}]}]
    whole = planned({**config, "backbone": str(folder)}, tmp_path / "nowhere")
    (folder / "model.safetensors").unlink()
    assert planned({**config, "backbone": str(folder)}, tmp_path / "nowhere").rows[0].sizes == (
        whole.rows[0].sizes
    )


# Seconds that sweeps took on two cores of an Intel Xeon, each with 185 GFLOP/s of a matrix product.
XEON = Machine(flops=1.85e11, half_rate=HALF_RATE["cpu"], workers=2)
TOOK = {"quickstart": 221, "methods": 464}
TOOK_REVIEWS = 831  # SST-2 with a model of 8.7 million parameters


@pytest.mark.parametrize("name", TOOK)
def test_the_planned_time_is_near_what_the_sweep_took(name: str):
    config = importlib.import_module(f"configs.{name}").get_config().to_dict()
    plan = plan_only(Experiment.parse(config), Path("nowhere"), machine=XEON)
    assert 1 / 1.5 <= plan.seconds / TOOK[name] <= 1.5


@pytest.mark.thorough
@pytest.mark.usefixtures("shared")
def test_the_planned_time_of_a_larger_model():
    config = importlib.import_module("configs.compare").get_config().to_dict()
    plan = plan_only(Experiment.parse(config), Path("nowhere"), machine=XEON)
    assert 1 / 1.5 <= plan.seconds / TOOK_REVIEWS <= 1.5


def test_compiling_takes_a_little_longer_for_each_layer():
    """Of SmolLM2, with 30 layers, the four programs of a LoRA run took 20 s of CPU."""
    small, deep = XEON.compile_seconds(3, 1, 1), XEON.compile_seconds(30, 1, 1)
    assert small < deep < 2 * small
    assert 15 < XEON.compile_seconds(30, 1, 2) < 45


def test_lengths_are_those_of_padded_batches(config: dict):
    """Longer texts take longer to train; one that is long takes its whole batch along."""
    experiment = Experiment.parse(config)
    machine = Machine(flops=1e9, half_rate=0, workers=1)
    rows = {
        row.approach: row for row in plan_only(experiment, Path("nowhere"), machine=machine).rows
    }
    config["task"]["templates"] = tuple(
        "Somebody says about it: {text}. Somebody asks about it: {text}. " + text
        for text in config["task"]["templates"]
    )
    longer = plan_only(Experiment.parse(config), Path("nowhere"), machine=machine)
    assert {row.approach: row for row in longer.rows}["LoRA"].training > 1.3 * rows["LoRA"].training


def test_another_device(config: dict):
    here = planned(config, Path("nowhere"))
    there = plan_only(Experiment.parse(config), Path("nowhere"), device="H100")
    assert there.machine.flops == pytest.approx(0.4 * 495e12)
    assert there.machine.workers == 1 and here.device is None
    console = Console(file=io.StringIO(), width=160)
    show(dry_run_table(there), console)
    assert "on one H100 by its data sheet" in console.file.getvalue()  # pyright: ignore
    with pytest.raises(InputError, match="device is 'h10': did you mean 'h100'"):
        plan_only(Experiment.parse(config), Path("nowhere"), device="h10")


def test_learning_rates_follow_the_size_of_the_backbone(config: dict, tmp_path: Path):
    """A plan, from config.json alone, has the same as a sweep, from the weights."""
    config["approaches"] = [presets.trained("LoRA", {"name": "lora"})]
    experiment = Experiment.parse(config)
    tasks = {task.name: task.load() for task in experiment.tasks}
    *_, cell = open_context(experiment, tmp_path / "new").cells(experiment, tasks)
    assert cell.approach.name == "LoRA"
    assert [trial["learning_rate"] for trial in cell.trials] == [1e-3, 3e-3, 1e-2]
    assert planned(config, tmp_path / "new").rows[0].trials[:3] == cell.trials
    assert "Learning rates tried: 0.001, 0.003, 0.01 (LoRA)." in shown(config, tmp_path / "new")
    large = checkpoints.LLAMA | {"vocab_size": 1_000_000, "hidden_size": 48}
    config |= {"backbone": "no/such-model", "architecture": large, "task": hub_task("far", 2)}
    text = shown(config, Path("nowhere"))
    assert "Learning rates tried: 0.0001, 0.0003, 0.001 (LoRA)." in text


def test_a_device_whose_memory_is_too_small(config: dict):
    """Full fine-tuning of a model of 13 billion parameters needs 300 GB."""
    architecture = checkpoints.LLAMA | {"hidden_size": 5120, "num_hidden_layers": 40}
    architecture |= {"intermediate_size": 13_824, "num_attention_heads": 40, "vocab_size": 32_000}
    architecture |= {"num_key_value_heads": 40, "head_dim": 128}
    full = {"name": "full", "stages": [{"method": {"name": "full"}}], "trials": [{}]}
    config |= {"backbone": "no/such-model", "architecture": architecture, "approaches": [full]}
    config["task"] = hub_task("far", 2)
    plan = plan_only(Experiment.parse(config), Path("nowhere"), device="a100")
    console = Console(file=io.StringIO(), width=160)
    show(dry_run_table(plan), console)
    text = " ".join(console.file.getvalue().split())  # pyright: ignore
    assert plan.memory > 200e9 and "a100 has 80.0 GB, which is less." in text
    assert plan.disk > 4 * 12e9


def test_a_template_that_the_task_lacks(config: dict):
    config["approaches"][2] |= {"trials": [{"learning_rate": 0.1, "template": 2}]}
    with pytest.raises(InputError, match="template is 2: task films has the templates 0 to 1"):
        planned(config, Path("nowhere"))


def test_encoding_takes_longer_with_demonstrations(config: dict):
    """Rows without them are tokenized once; scores of labels change nothing about the texts."""
    machine = Machine(flops=1e9, half_rate=0, workers=1, tokenized=100.0)  # a slow tokenizer
    alone = [{"target_end": end} for end in (True, False)]
    drawn = [{"draw": draw} for draw in range(4)]
    both = [{**ends, **draws} for ends in alone for draws in drawn]
    config["approaches"] = [
        {"name": "zero-shot", "trials": alone},
        {"name": "few-shot", "demonstrations": 2, "trials": drawn, "scoring": "fixed"},
        {"name": "scored", "demonstrations": 2, "trials": both},
        {"name": "nearest", "demonstrations": 2, "choice": "nearest", "scoring": "fixed"},
    ]
    plan = plan_only(Experiment.parse(config), Path("nowhere"), machine=machine)
    rows = {row.approach: row for row in plan.rows}
    few = rows["few-shot"]
    assert few.encoding > 2 * few.runs * rows["zero-shot"].encoding / rows["zero-shot"].runs
    assert rows["scored"].encoding < 0.1 * few.encoding  # of texts that are tokenized
    nearest = rows["nearest"]
    assert nearest.encoding / nearest.runs > 1.2 * few.encoding / few.runs
    assert few.checking < few.encoding  # by the first draw of each seed
    assert plan.seconds == pytest.approx(
        machine.wall_seconds(sum(row.seconds for row in plan.rows)) + plan.checking
    )
    assert "to check all rows before the first run" in shown(config, Path("nowhere"))


def test_planned_tokens_are_those_that_the_checks_tokenize(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With a tokenizer of one token per second, other work does not count."""
    config = importlib.import_module("configs.prompting").get_config().to_dict()
    config |= {"tasks": config["tasks"][:1], "seeds": 2}
    names = "zero-shot prompt", "balanced demonstrations", "nearest demonstrations"
    approaches = [row for row in config["approaches"] if row["name"] in names]
    experiment = Experiment.parse(config | {"approaches": approaches})
    counts: list[int] = []
    encode = TextTokenizer.encode

    def counted(self: TextTokenizer, texts: Sequence[str], **options: bool) -> Any:
        encoded = encode(self, texts, **options)
        counts.append(sum(map(len, encoded["input_ids"])))
        return encoded

    context = open_context(experiment, tmp_path / "results")
    tasks = {task.name: task.load() for task in experiment.tasks}
    with monkeypatch.context() as patch:
        patch.setattr(TextTokenizer, "encode", counted)
        for cell in context.cells(experiment, tasks):
            check_cell(cell, context)
    slow = Machine(flops=1e9, half_rate=0, workers=1, tokenized=1.0)
    plan = plan_only(experiment, Path("nowhere"), machine=slow)
    assert 1 / 1.5 <= plan.checking / sum(counts) <= 1.5
