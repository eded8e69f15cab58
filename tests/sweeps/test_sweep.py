"""A whole sweep: what it stores, what it does not do twice, and what a kill costs."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import research.sweeps.cell_runner as cell_run
import research.sweeps.executor as executor
from research.common.errors import InputError
from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.models.backbone import load_backbone, load_tokenizer
from research.records.store import RunStore
from research.records.trial_selection import choose, search_runs
from research.reporting.build import check_tables, write_tables
from research.runs.encode_data import run_data
from research.sweeps.folder_lock import folder_lock
from research.sweeps.progress import SweepProgress
from research.sweeps.run_progress import RunProgress
from research.training import checkpoint
from research.training.checkpoint import Checkpoints
from tests.films import run
from tests.sweeps.results_folder import by_row, contents, results
from tests.thorough import cases


class Killed(BaseException):
    """Stands for whatever ends a process."""


def plan(config: dict[str, Any]) -> list[CellPlan]:
    experiment = Experiment.parse(config)
    tasks = {task.name: task.load() for task in experiment.tasks}
    checksum = load_backbone(experiment.backbone).checksum
    return list(cells(experiment, tasks, checksum))


def test_every_planned_run_is_stored_and_none_besides(swept: Path, config: dict):
    expected = set()
    for cell in plan(config):
        search = [RunStore(swept).read(one.id) for one in cell.search()]
        ids = {one.id for one in (*cell.search(), *cell.final(choose(search)))}
        assert len(ids) == cell.size
        expected |= ids
    assert expected == set(RunStore(swept).ids())
    assert not list((swept / "checkpoints").rglob("*"))


def test_a_second_call_does_nothing(swept: Path, config: dict, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object) -> None:
        raise AssertionError("there is nothing left to run")

    for module, name in (
        (executor, "run_shard"),
        (executor, "run_without_backbone"),
        (cell_run, "check_run"),
    ):
        monkeypatch.setattr(module, name, refuse)
    before = {path: path.stat().st_mtime_ns for path in (swept / "runs").iterdir()}
    tables = {name: (swept / name).read_bytes() for name in ("table.md", "table.tex", "table.csv")}
    run(config, swept)
    assert {path: path.stat().st_mtime_ns for path in (swept / "runs").iterdir()} == before
    assert {name: (swept / name).read_bytes() for name in tables} == tables


def test_two_sweeps_do_not_work_in_one_folder(swept: Path, config: dict):
    with folder_lock(swept), pytest.raises(InputError, match="another sweep is at work in it"):
        run(config, swept)
    run(config, swept)


def test_only_the_chosen_trial_meets_test(swept: Path):
    for row, records in by_row(swept).items():
        chosen = choose(search_runs(records, search_seeds=2))
        for record in records:
            assert (record.tested) == (record.trial == chosen), row
            predictions = swept / "predictions" / f"{record.run_id}.csv"
            assert predictions.exists() == (record.trial == chosen)
        assert sorted(r.seed for r in records if r.trial == chosen) == [0, 1, 2]


def test_the_choice_does_not_depend_on_test(config: dict, swept: Path, tiny: Path, tmp_path: Path):
    """Other texts and labels in test: the same dev scores, so the same trials."""
    config["task"]["test"] = str(tmp_path / "test.csv")
    (tmp_path / "test.csv").write_text("text,label\na film,bad\nno film,good\na mess,good\n")
    config["approaches"] = [row for row in config["approaches"] if row["name"] == "LoRA"]
    other = run(config, tmp_path / "results")

    def seen(folder: Path) -> set[str]:
        runs = by_row(folder)["LoRA"]
        return {json.dumps([r.trial, r.seed, r.metrics["dev"]]) for r in runs}

    assert seen(other) == seen(swept)


def test_the_tables_come_from_runs_and_predictions_alone(swept: Path, tmp_path: Path):
    for part in ("runs", "predictions"):
        shutil.copytree(swept / part, tmp_path / part)
    write_tables(tmp_path)
    assert check_tables(swept) == [] == check_tables(tmp_path)
    for name in ("table.md", "table.tex", "table.csv"):
        assert (tmp_path / name).read_bytes() == (swept / name).read_bytes()


# What one worker writes: 8 times for each prompt (4 searched, 1 more seed, 3 tested), 6 and 10
# times for the baselines, so that LoRA begins at 32: 6 searched, 1 more seed, 3 tested.
@pytest.mark.parametrize("stored", [3, 6, 37, 39])
def test_a_kill_between_records_changes_nothing(
    stored: int, swept: Path, config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config["workers"] = 1
    write, written = RunStore.write, []

    def killed(*args: Any) -> Any:
        if len(written) == stored:
            raise Killed
        written.append(args)
        return write(*args)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(RunStore, "write", killed)
        run(config, tmp_path)
    assert len(RunStore(tmp_path).ids()) == {3: 3, 6: 5, 37: 25, 39: 27}[stored]
    assert results(run(config, tmp_path)) == results(swept)
    assert check_tables(tmp_path) == []
    assert not list((tmp_path / "checkpoints").rglob("*"))


def test_a_lost_record_comes_back_and_the_others_stay(swept: Path, config: dict, tmp_path: Path):
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    lost = by_row(swept)["LoRA"][0].run_id
    before = {path.name: path.read_bytes() for path in (tmp_path / "runs").iterdir()}
    (tmp_path / "runs" / f"{lost}.json").unlink()
    (tmp_path / "runs" / f".{lost}.json.1.tmp").write_text("{")
    run(config, tmp_path)
    after = {path.name: path.read_bytes() for path in (tmp_path / "runs").iterdir()}
    assert results(tmp_path) == results(swept)
    del before[f"{lost}.json"], after[f"{lost}.json"]
    assert after == before


@pytest.mark.parametrize("step", cases([2, 4], quick=(4,)))
def test_a_kill_while_training_changes_nothing(
    step: int, swept: Path, config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    restored = []
    restore = Checkpoints.restore

    def killing(self: SweepProgress, progress: RunProgress) -> None:
        if f"step {step}/" in progress.line:
            raise Killed

    def watched(*args: Any) -> Any:
        restored.append(restore(*args))
        return restored[-1]

    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(SweepProgress, "report", killing)
        run(config, tmp_path)
    assert list((tmp_path / "checkpoints").iterdir())
    monkeypatch.setattr(Checkpoints, "restore", watched)
    again = results(run(config, tmp_path))
    assert [found[1]["step"] for found in restored if found] == [step - 1]
    assert again == results(swept)
    assert not (tmp_path / "checkpoints").exists()


def test_a_kill_between_the_best_leaves_and_the_states_changes_nothing(
    swept: Path, config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The best leaves of step 2 are written, its states are not: training resumes from step 1."""
    written, restored = [], []
    write_tree, restore = checkpoint.write_tree, Checkpoints.restore

    def killing(folder: Path, arrays: Any) -> None:
        if folder.parts[-2:] == ("states", "2"):
            raise Killed
        write_tree(folder, arrays)
        written.append(folder.parts[-2:])

    def watched(*args: Any) -> Any:
        restored.append(restore(*args))
        return restored[-1]

    monkeypatch.setattr(Checkpoints, "due", lambda self: True)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, "write_tree", killing)
        run(config, tmp_path)
    assert ("best", "2") in written
    monkeypatch.setattr(Checkpoints, "restore", watched)
    again = results(run(config, tmp_path))
    assert [found[1]["step"] for found in restored if found] == [1]
    assert again == results(swept)


def test_records_hold_no_path_of_this_machine(
    swept: Path, config: dict, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Variables stay variables, and runs found by another path are the same runs."""
    monkeypatch.setenv("TINY", str(tiny))
    config["backbone"] = "$TINY/backbone"
    config["task"] |= {"train": "$TINY/train.csv", "test": "$TINY/test.csv"}
    config["approaches"] = [config["approaches"][0]]
    stored = contents(run(config, tmp_path))
    assert not [name for name, content in stored.items() if str(tiny).encode() in content]
    assert all(r.backbone.name == "$TINY/backbone" for r in by_row(tmp_path)["zero-shot"])
    assert set(RunStore(tmp_path).ids()) < set(RunStore(swept).ids())


def test_a_second_stage_goes_on_from_the_first(config: dict, swept: Path, tmp_path: Path):
    """The first stage is the run of one stage, to the bit; the second trains its own leaves."""
    lora = {**config["approaches"][2]["stages"][0], "learning_rate": 0.1}
    soft = {"method": {"name": "soft_prompt", "length": 2}, "learning_rate": 0.1}
    row = {"name": "both", "stages": [lora, soft], "trials": [{"weight_decay": 0.0}]}
    config["approaches"] = [row]
    both = {record.seed: record for record in by_row(run(config, tmp_path))["both"]}
    alone = {r.seed: r for r in by_row(swept)["LoRA"] if r.trial == {"learning_rate": 0.1}}
    assert len(alone) >= 2
    width = load_backbone(config["backbone"]).model.config.width
    for seed, one in alone.items():
        first, second = both[seed].history
        assert (first,) == one.history and len(second) == len(first)
        added = both[seed].costs.trained_params - one.costs.trained_params
        assert added == 2 * width
        assert both[seed].costs.added_tokens == 2


@pytest.mark.thorough
def test_leaves_cut_over_devices_give_the_same_runs(config: dict, swept: Path, tmp_path: Path):
    config["approaches"] = [config["approaches"][2]]
    cut = run({**config, "devices": {"count": 2, "fsdp": 2}}, tmp_path)
    whole = {record.run_id: record for record in by_row(swept)["LoRA"]}
    for record in by_row(cut)["LoRA"]:
        metrics = record.metrics["dev"]
        assert metrics == pytest.approx(whole[record.run_id].metrics["dev"], abs=1e-4)


def test_a_run_that_diverges_is_stored_and_not_chosen(config: dict, tmp_path: Path):
    config["approaches"] = [config["approaches"][2]]
    config["approaches"][0]["trials"] = [{"learning_rate": rate} for rate in (1e38, 0.1)]
    records = by_row(run(config, tmp_path))["LoRA"]
    status = {(r.trial["learning_rate"], r.status) for r in records}
    assert status == {(1e38, "diverged"), (0.1, "finished")}
    assert all((not r.tested) == (r.status == "diverged") for r in records)


def test_normalisations_share_a_check(config: dict, monkeypatch: pytest.MonkeyPatch):
    """No error depends on them."""
    checked = []
    monkeypatch.setattr(cell_run, "check_run", lambda run, context: checked.append(run))
    alone = {"target_end": False}
    trials = [{}, alone, {**alone, "normalisation": "tokens"}, {"normalisation": "bytes"}]
    [cell, *_] = plan(config | {"approaches": [{"name": "zero-shot", "trials": trials}]})
    unused: Any = None
    cell_run.check_cell(cell, unused)
    expected = [(trial, seed) for trial in ({}, alone) for seed in range(3)]
    assert [(run.trial, run.seed) for run in checked] == expected


def test_demonstrations_come_from_train_alone(swept: Path, config: dict):
    few_shot = next(cell for cell in plan(config) if cell.approach.name == "few-shot")
    model = load_backbone(config["backbone"]).model
    tokenizer = load_tokenizer(config["backbone"], model)
    shown = []
    for one in (*few_shot.search(), *few_shot.final({"draw": 1})):
        data = run_data(one, tokenizer, room=64, route="causal")
        frame = tokenizer.decode(data.frame.prefix_ids[: data.frame.prefix_length])
        texts = {s: [e.fields["text"] for e in getattr(data.split, s)] for s in ("train", "dev")}
        texts["test"] = [example.fields["text"] for example in one.cell.task.test]
        found = {s: sum(f"{t}\nVerdict" in frame for t in texts[s]) for s in texts}
        assert found == {"train": data.demonstrations, "dev": 0, "test": 0}
        assert frame.count("Verdict: good") == frame.count("Verdict: bad")
        shown.append(data.demonstrations)
        assert len(data.frame.prefix_ids) + data.test.length.max() <= 64
    assert min(shown) >= 2
    noted = {r.notes.demonstrations for r in by_row(swept)["few-shot"]}
    assert noted <= set(shown)
    assert f"few-shot ({min(noted)}" in (swept / "table.md").read_text()


def test_the_records_tell_how_they_came_about(swept: Path, config: dict):
    record = next(r for r in by_row(swept)["LoRA"] if r.tested)
    assert record.backbone and record.backbone.name == config["backbone"]
    assert record.data.task_checksum and record.data.split_checksum
    assert record.costs.trained_params * 4 == record.costs.stored_bytes > 0
    assert record.costs.step_flops and record.costs.train_seconds
    assert record.notes.steps == (4,) and len(record.history[0]) == 2
    assert record.provenance.libraries["jax"] and record.provenance.hardware.device_count
    assert record.configuration.approach["stages"][0]["method"]["rank"] == 2
    assert np.isfinite(list(record.metrics["dev"].values())).all()
