"""Finished runs leave memory; their trained leaves wait on disk until test."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

import research.runs.evaluate as evaluate
import research.sweeps.executor as executor
from research.common.errors import InputError
from research.runs.trained_leaves import FinalLeaves, TrainedLeaves
from tests.films import run
from tests.sweeps.results_folder import by_row, results

FULL = {"stages": [{"method": {"name": "full"}}]}
TRIALS = [{"learning_rate": rate} for rate in (0.01, 0.1, 1.0)]


@pytest.fixture
def full(config: dict[str, Any]) -> dict[str, Any]:
    """Full fine-tuning alone: 3 learning rates x 2 search seeds, and one seed more."""
    row = {"name": "full", **FULL, "trials": TRIALS}
    return config | {"approaches": [row], "workers": 1}


def test_a_sweep_holds_the_leaves_of_one_run_at_a_time(
    full: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """When a run is evaluated no state of an earlier run is left, nor its trained leaves."""
    states: list[weakref.ref] = []
    leaves: list[weakref.ref] = []
    alive: list[tuple[int, int]] = []

    def count(evaluator: evaluate.RunEvaluator) -> None:
        alive.append(tuple(sum(ref() is not None for ref in refs) for refs in (states, leaves)))
        states.append(weakref.ref(evaluator.state))
        leaves.extend(weakref.ref(leaf) for leaf in evaluator.state.changed.values())

    for name in ("result", "test_result"):
        method = getattr(evaluate.RunEvaluator, name)

        def counted(self: Any, method: Any = method) -> Any:
            count(self)
            return method(self)

        monkeypatch.setattr(evaluate.RunEvaluator, name, counted)
    run(full, tmp_path)
    assert len(alive) == 3 * 2 + 1 + 3  # trained, and of the chosen trial tested
    assert set(alive) == {(0, 0)}


def test_only_runs_that_may_be_tested_have_leaves_on_disk(
    full: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Those of all trials until dev chooses, then those of the chosen trial, in the end none."""
    on_disk = []
    for name in ("train", "test"):
        method = getattr(executor.RunExecutor, name)

        def watched(self: Any, work: Any, method: Any = method) -> None:
            folder = tmp_path / "checkpoints"
            method(self, work)
            if work.runs[0].approach.baseline is not None:
                return
            on_disk.append(len(list(folder.glob("*.safetensors"))))
            assert not [p for p in folder.glob("*/*") if p.is_dir()]  # no training checkpoint

        monkeypatch.setattr(executor.RunExecutor, name, watched)
    run(full, tmp_path)
    assert on_disk == [1, 2, 3, 4, 5, 6, 3, 3, 3, 3]
    assert not (tmp_path / "checkpoints").exists()


class Killed(BaseException):
    """Ends a sweep."""


def test_a_killed_sweep_tests_with_the_leaves_on_disk(
    full: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """No run is trained twice, and scores and predictions are those of a whole sweep."""
    whole = run(full, tmp_path / "whole")
    trained, test = [], executor.RunExecutor.test

    def killed(self: Any, work: executor.ShardWork) -> None:
        if work.runs[0].approach.stages:
            raise Killed
        test(self, work)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(executor.RunExecutor, "test", killed)
        run(full, tmp_path / "killed")
    monkeypatch.setattr(executor, "run_shard", lambda *rest: trained.append(rest))
    again = run(full, tmp_path / "killed")
    assert results(again) == results(whole) and not trained
    for record in by_row(whole)["full"]:
        file = Path("predictions") / f"{record.run_id}.csv"
        assert (again / file).exists() == (whole / file).exists()
        if record.tested:
            assert (again / file).read_bytes() == (whole / file).read_bytes()


def test_lost_leaves_are_trained_again(full: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole, test = run(full, tmp_path / "whole"), executor.RunExecutor.test

    def losing(self: executor.RunExecutor, work: executor.ShardWork) -> None:
        self.context.trained_leaves.remove(run.id for run in work.runs)
        test(self, work)

    monkeypatch.setattr(executor.RunExecutor, "test", losing)
    assert results(run(full, tmp_path / "lost")) == results(whole)


def test_trained_leaves_are_the_state_that_was_stored(tmp_path: Path):
    """Leaves of the backbone are not copied; a removed head stays removed."""
    backbone = {"kernel": np.ones(3), "head:/bias": np.zeros(2)}
    changed = {"lora:/a": np.full(2, 2.0, np.float32)}
    leaves = {"lora:/frozen": np.arange(2), "kernel": backbone["kernel"], **changed}
    files = TrainedLeaves(tmp_path)
    files.write("a", FinalLeaves(leaves, changed), backbone)
    final = files.read("a", backbone)
    assert list(final.leaves) == list(leaves) and list(final.changed) == ["lora:/a"]
    assert final.leaves["kernel"] is backbone["kernel"]
    assert final.changed["lora:/a"] is final.leaves["lora:/a"]
    for path, leaf in leaves.items():
        assert final.leaves[path].dtype == leaf.dtype
        assert np.array_equal(final.leaves[path], leaf)
    files.remove(["a", "unknown"])
    assert not files.has("a")


@pytest.mark.parametrize("content", [b"half", save({}), save({}, {"leaves": '["a"]'})])
def test_damaged_leaves_are_named(tmp_path: Path, content: bytes):
    (tmp_path / "abc.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="run is .*abc.safetensors.*delete it"):
        TrainedLeaves(tmp_path).read("abc", {})


def test_a_changed_bit_is_noticed(tmp_path: Path):
    """Any bit of the arrays, and of the texts beside them."""
    files, final = TrainedLeaves(tmp_path), FinalLeaves({"lora:/a": np.ones(2, np.float32)}, {})
    files.write("abc", final, {})
    file = tmp_path / "abc.safetensors"
    whole = file.read_bytes()
    for byte in (whole.index(b"lora:/a"), len(whole) - 5, len(whole) - 1):
        for bit in range(8):
            changed = bytes([whole[byte] ^ 1 << bit])
            file.write_bytes(whole[:byte] + changed + whole[byte + 1 :])
            with pytest.raises(InputError, match="run is .*abc.safetensors.*delete it"):
                files.read("abc", {})
