"""Worker processes give what one process gives, and none is left behind."""

import io
import os
import pickle
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from research.common.errors import InputError
from research.experiments.cells import cells
from research.experiments.cohorts import shards
from research.experiments.experiment import Experiment
from research.experiments.plan import CellPlan
from research.models.backbone import load_backbone
from research.records.store import RunStore
from research.runs.context import open_context
from research.runtime.threads import cores
from research.sweeps.cell_work import cell_work
from research.sweeps.executor import ShardWork
from research.sweeps.failures import RunFailed
from research.sweeps.messages import ShardRef, cell_index
from research.sweeps.process_pool import ProcessPool, cores_of
from research.sweeps.row_tokens import RowTokens
from research.sweeps.sweep import sweep
from research.sweeps.worker_count import processes
from tests.records.tensorboard_files import expected_scalars, read_by_tensorboard
from tests.sweeps.results_folder import contents, results

ROOT = Path(__file__).parents[2]


def planned(config: dict[str, Any]) -> dict[str, CellPlan]:
    """The cells by approach."""
    experiment = Experiment.parse(config)
    tasks = {task.name: task.load() for task in experiment.tasks}
    checksum = load_backbone(experiment.backbone).checksum
    return {cell.approach.name: cell for cell in cells(experiment, tasks, checksum)}


class Silent:
    """Progress that nobody sees."""

    def begin(self, runs: Any, on_test: bool) -> None:
        pass

    def report(self, progress: Any) -> None:
        pass

    def end(self, runs: Any, on_test: bool, failed: bool) -> None:
        pass


def in_the_background(config: dict[str, Any], folder: Path) -> subprocess.Popen:
    """A sweep by a process of its own."""
    code = (
        "from pathlib import Path; from rich.console import Console\n"
        "from research.experiments.experiment import Experiment\n"
        "from research.sweeps.sweep import sweep\n"
        f"sweep(Experiment.parse({config!r}), Path({str(folder)!r}), Console())"
    )
    told = {"JAX_PLATFORMS": "cpu", "JAX_NUM_CPU_DEVICES": "8", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env=os.environ | told,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(pid: int) -> list[int]:
    """The worker processes of a sweep, found among all processes."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = entry.joinpath("stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == pid and b"spawn_main" in entry.joinpath("cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_two_processes_give_what_one_gives(swept: Path, config: dict[str, Any], tmp_path: Path):
    """To the bit, predictions on test as well, and each process does a part."""
    shown = io.StringIO()
    config |= {"workers": 2, "tensorboard": True}
    sweep(Experiment.parse(config), tmp_path, Console(file=shown))
    assert results(tmp_path) == results(swept)
    for record in RunStore(tmp_path).all():
        assert read_by_tensorboard(tmp_path, record) == expected_scalars(record)
    ours = {name: content for name, content in contents(tmp_path).items() if "predictions" in name}
    assert ours == {n: content for n, content in contents(swept).items() if "predictions" in n}
    assert not list((tmp_path / "checkpoints").rglob("*"))
    assert "LoRA, films, 4-shot" in shown.getvalue()


@pytest.mark.thorough
def test_an_error_in_a_worker_is_told_with_its_sentence(config: dict, tmp_path: Path):
    """A record is damaged; the next shard is executed by another worker, and in the end all
    workers are gone.
    """
    config["workers"] = 2
    experiment = Experiment.parse(config)
    pool = ProcessPool(experiment, tmp_path, 2, Silent())
    [first, second] = shards(planned(config)["zero-shot"].search(), False)[:2]
    try:
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs" / f"{first.runs[0].id}.json").write_text("{")
        with pytest.raises(RunFailed, match=f"{first.runs[0].id}.json") as failed:
            pool.test([ShardWork(first, first.runs)])
        assert isinstance(failed.value.__cause__, InputError)
        pool.train([ShardWork(second, second.runs)], lambda shard: None)
        assert RunStore(tmp_path).has(second.runs[0].id)
    finally:
        pool.close()
    pids = [worker.process.pid for worker in pool.workers.values()]
    assert pids and not alive(pids)  # pyright: ignore


@pytest.mark.thorough
def test_an_error_of_reading_a_file_is_not_told_as_want_of_memory(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pool = ProcessPool(Experiment.parse(config | {"workers": 2}), tmp_path, 2, Silent())
    [first, *_] = shards(planned(config)["zero-shot"].search(), False)
    try:
        (tmp_path / "runs" / f"{first.runs[0].id}.json").mkdir(parents=True)  # not a file
        with pytest.raises(RunFailed, match="Is a directory"):
            pool.test([ShardWork(first, first.runs)])
    finally:
        pool.close()


@pytest.mark.thorough
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_worker_outlives_its_sweep(how: int, config: dict, swept: Path, tmp_path: Path):
    """And what was done by then is gone on from, to the same bits."""
    endless = config["schedule"] | {"steps": 100_000, "patience": 10**6}
    running = in_the_background(config | {"workers": 2, "schedule": endless}, tmp_path / "endless")
    workers = _started(running)
    running.send_signal(how)
    running.communicate(timeout=60)
    for _ in range(100):
        time.sleep(0.1)
        if not alive(workers):
            break
    assert not alive(workers)


@pytest.mark.thorough
def test_killed_over_and_over_a_sweep_ends_with_the_same_bits(
    config: dict, swept: Path, tmp_path: Path
):
    config["workers"] = 2
    for stored in (3, 20):
        running = in_the_background(config, tmp_path)
        while running.poll() is None and len(RunStore(tmp_path).ids()) < stored:
            time.sleep(0.02)
        running.kill()
        running.communicate()
    sweep(Experiment.parse(config | {"workers": 1}), tmp_path, Console(file=io.StringIO()))
    assert results(tmp_path) == results(swept)


def _started(running: subprocess.Popen) -> list[int]:
    """The workers of a sweep that has begun to train LoRA."""
    assert running.stdout is not None
    while "LoRA, films, 4-shot: learning_rate" not in running.stdout.readline():
        assert running.poll() is None, running.stderr and running.stderr.read()
    workers = children(running.pid)
    assert len(workers) == 2
    return workers


def test_runs_are_shares_of_their_own_unless_they_share_the_training(config: dict):
    row = config["approaches"][2]
    fixed = {**row["stages"][0], "learning_rate": 0.1, "template": 0}
    config["approaches"].append({"name": "read", "stages": [fixed], "trials": "templates"})
    found = planned(config)
    for name, size in (("zero-shot", 1), ("LoRA", 1), ("read", 2)):
        search = found[name].search()
        parts = shards(search, False)
        assert Counter(run.id for share in parts for run in share.runs) == Counter(
            run.id for run in search
        )
        assert {len(share.runs) for share in parts} == {size}, name
        assert all([run.id for run in share.cohort] == [r.id for r in search] for share in parts)
    [whole] = shards(found["LoRA"].search(), True)
    assert whole.runs == whole.cohort and len(whole.runs) == 6


def test_a_share_is_found_by_another_process(config: dict):
    """In a plan of its own, by what is small enough to send."""
    there = {cell_index(cell): cell for cell in planned(config).values()}
    assert len(there) == len(planned(config))
    for share in shards(planned(config)["LoRA"].search(), False):
        sent = pickle.dumps(ShardRef.of(ShardWork(share, share.runs)))
        assert len(sent) < 1000
        work = pickle.loads(sent).find(there)
        assert [run.id for run in work.shard.runs] == [run.id for run in share.runs]
        assert [run.id for run in work.shard.cohort] == [run.id for run in share.cohort]
        assert [run.id for run in work.runs] == [run.id for run in share.runs]


def test_a_worker_has_as_many_cores_as_threads():
    available = cores()
    assert cores_of(0, 1) == available[:1]
    assert cores_of(len(available), 1) == available[:1]
    assert sorted(cores_of(0, len(available))) == available


def test_how_many_processes(config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    long = config | {"schedule": config["schedule"] | {"steps": 10**9}}

    def count(config: dict[str, Any]) -> int:
        experiment = Experiment.parse(config)
        context = open_context(experiment, tmp_path)
        work = [cell_work(cell, 10_000, RowTokens(20.0, 30)) for cell in planned(config).values()]
        return processes(experiment, work, context, lambda: 450 << 20)

    monkeypatch.setattr("research.sweeps.worker_count.cores", lambda: list(range(6)))
    monkeypatch.setattr("research.sweeps.worker_count.usable_bytes", lambda: 100 << 30)
    assert count(config) == 1  # it takes no time
    assert count(config | {"workers": 3}) == 3
    assert count(long) == 6
    assert count(long | {"workers": 1}) == 1
    assert count(long | {"devices": {"count": 2}}) == 1
    assert count(long | {"devices": {"count": 1, "members": "vmap"}}) == 1
    monkeypatch.setattr("research.sweeps.worker_count.usable_bytes", lambda: 1 << 30)
    assert count(long) == 2  # of 450 MiB each
