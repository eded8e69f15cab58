"""A run that fails twice is reported with its cell, and the other cells finish."""

import errno
import io
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

import research.sweeps.executor as executor
from research.common.errors import InputError, StorageError
from research.experiments.experiment import Experiment
from research.records.failures import Failure, read_failures
from research.records.store import RunStore
from research.reporting.build import check_tables, write_tables
from research.sweeps.failures import LONGEST, RunFailed, failing, reason_of
from research.sweeps.sweep import sweep
from research.sweeps.worker_process import WorkerProcess
from scripts import sweep as script
from tests.sweeps.results_folder import results


def sweep_in(config: dict[str, Any], folder: Path) -> list[Failure]:
    return sweep(Experiment.parse(config), folder, Console(file=io.StringIO()))


@pytest.fixture
def failing_lora(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Every run of LoRA fails; counts the attempts by run id."""
    attempts: Counter[str] = Counter()
    run_shard = executor.run_shard

    def fail(shard: Any, *rest: Any) -> Any:
        if shard.runs[0].approach.name == "LoRA":
            attempts[shard.runs[0].id] += 1
            raise RuntimeError("the 7th layer is missing.\nsecond line")
        return run_shard(shard, *rest)

    monkeypatch.setattr(executor, "run_shard", fail)
    return attempts


def test_other_cells_finish_and_the_cell_is_reported(
    config: dict, swept: Path, tmp_path: Path, failing_lora: Counter[str]
):
    config["workers"] = 1
    [failure] = sweep_in(config, tmp_path)
    assert failing_lora == {failure.run_id: 2}
    assert failure.cell == ("LoRA", "films", "4-shot")
    assert failure.reason == "RuntimeError: the 7th layer is missing"
    assert read_failures(tmp_path) == (failure,)
    stored = {record.approach for record in RunStore(tmp_path).all()}
    assert stored == {record.approach for record in RunStore(swept).all()} - {"LoRA"}
    write_tables(tmp_path)
    table = (tmp_path / "table.md").read_text()
    sentence = f"run {failure.run_id} failed twice: RuntimeError: the 7th layer is missing."
    assert f"Failed: LoRA, films, 4-shot: {sentence}" in table


def test_a_row_with_other_results_says_which_cell_failed(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    config |= {"workers": 1, "regimes": ("4-shot", 10)}
    run_shard = executor.run_shard

    def fail(shard: Any, *rest: Any) -> Any:
        run = shard.runs[0]
        if run.approach.name == "zero-shot" and str(run.cell.regime) == "10":
            raise MemoryError
        return run_shard(shard, *rest)

    config["approaches"] = config["approaches"][:1]
    monkeypatch.setattr(executor, "run_shard", fail)
    [failure] = sweep_in(config, tmp_path)
    assert failure.reason.startswith("memory is 'full'")
    write_tables(tmp_path)
    row, *_ = [r for r in (tmp_path / "table.md").read_text().splitlines() if "| zero-shot" in r]
    assert "| failed |" in row
    monkeypatch.undo()
    assert sweep_in(config, tmp_path) == []
    assert not (tmp_path / "failures.json").exists()
    write_tables(tmp_path)
    assert "failed" not in (tmp_path / "table.md").read_text().lower()


def test_a_run_that_fails_once_is_in_the_table(
    config: dict, swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is tried after all others, and the results are those of a sweep without a failure."""
    config["workers"] = 1
    run_shard, order = executor.run_shard, []

    def fail_once(shard: Any, *rest: Any) -> Any:
        order.append(shard.runs[0].approach.name)
        if len(order) == 1:
            raise ValueError("once")
        return run_shard(shard, *rest)

    monkeypatch.setattr(executor, "run_shard", fail_once)
    assert sweep_in(config, tmp_path) == []
    assert order[0] == "zero-shot" == order[-1]
    assert results(tmp_path) == results(swept)
    write_tables(tmp_path)
    assert check_tables(tmp_path) == []


def test_a_full_disk_ends_the_sweep(config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config["workers"] = 1
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "metrics.jsonl")

    def fail(*args: Any) -> Any:
        raise full

    monkeypatch.setattr(executor, "run_shard", fail)
    with pytest.raises(StorageError, match="metrics.jsonl': No space left on device"):
        sweep_in(config, tmp_path)
    assert not (tmp_path / "failures.json").exists()


def test_a_killed_worker_is_replaced(
    config: dict, swept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Its run is tried again, and its results are those of an undisturbed sweep."""
    config["approaches"] = config["approaches"][:1]
    execute, killed = WorkerProcess.execute, []

    def kill_first(self: WorkerProcess, command: Any) -> None:
        if not killed:
            killed.append(self.process.pid)
            os.kill(killed[0], signal.SIGKILL)
        execute(self, command)

    monkeypatch.setattr(WorkerProcess, "execute", kill_first)
    assert sweep_in(config | {"workers": 2}, tmp_path) == []
    undisturbed, disturbed = results(swept), results(tmp_path)
    ids = [id for id, run in undisturbed.items() if run["approach"] == "zero-shot"]
    assert killed and ids
    assert all(disturbed[id] == undisturbed[id] for id in ids)


@pytest.mark.thorough
def test_a_run_whose_workers_are_killed_is_reported(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    execute = WorkerProcess.execute

    def kill(self: WorkerProcess, command: Any) -> None:
        if command.ref.cell[0] == 2:  # LoRA
            os.kill(self.process.pid or 0, signal.SIGKILL)
        execute(self, command)

    monkeypatch.setattr(WorkerProcess, "execute", kill)
    [failure] = sweep_in(config | {"workers": 2}, tmp_path)
    assert failure.cell[0] == "LoRA"
    assert failure.reason.startswith("its worker process was ended by SIGKILL, perhaps for lack")


def test_exit_code_and_sentence(
    config: dict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    failing_lora: Counter[str],
):
    source = "from ml_collections import ConfigDict\ndef get_config():\n"
    values = config | {"workers": 1}
    (tmp_path / "config.py").write_text(f"{source}    return ConfigDict({values!r})\n")
    flags = [f"--config={tmp_path / 'config.py'}", f"--results={tmp_path / 'results'}"]
    with pytest.raises(SystemExit) as end:
        script.read_flags(["sweep.py", *flags])
        script.main([])
    assert end.value.code == 1
    [last] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert last == f"error: {read_failures(tmp_path / 'results')[0]}"


def test_reasons_are_one_sentence_of_the_true_cause():
    unreadable = OSError(errno.EIO, os.strerror(errno.EIO), "weights.bin")
    assert reason_of(unreadable) == "file is 'weights.bin': Input/output error"
    assert reason_of(InputError("checkpoint", "here", "damaged")) == "checkpoint is 'here': damaged"
    assert len(reason_of(RuntimeError("long " * 1000))) < LONGEST + 5
    with pytest.raises(RunFailed, match="run a failed: KeyError: 'x'"), failing([Named("a")]):  # pyright: ignore
        raise KeyError("x")


class Named:
    """A run with an id."""

    def __init__(self, id: str):
        self.id = id
