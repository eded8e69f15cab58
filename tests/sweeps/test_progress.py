"""Progress of scoring in a sweep: its lines, how often they come, and the time left."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.experiments.plan import Run
from research.models.backbone import load_backbone
from research.runs.scoring_progress import ScoringProgress
from research.sweeps import progress as sweep_progress
from research.sweeps import run_progress, worker_process
from research.sweeps.cell_work import CellWork
from research.sweeps.progress import SweepProgress
from research.sweeps.run_progress import RunProgress, ShardProgress
from research.sweeps.sweep import sweep
from research.training.member import MemberProgress
from tests.sweeps.reporting_worker import serve_commands_reporting_each_batch


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (run_progress, sweep_progress):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(run_progress, "execution_clock", clock)
    return clock


def planned(config: dict[str, Any], name: str) -> Run:
    experiment = Experiment.parse(config)
    tasks = {task.name: task.load() for task in experiment.tasks}
    checksum = load_backbone(experiment.backbone).checksum
    plan = cells(experiment, tasks, checksum)
    cell = next(cell for cell in plan if cell.approach.name == name)
    return Run(cell, cell.trials[0], 0)


def test_scoring_is_reported_at_most_once_a_second(config: dict, clock: Clock):
    reports: list[RunProgress] = []
    shard = ShardProgress([planned(config, "zero-shot")], reports.append)
    for step in range(1, 41):
        clock.now = step / 10
        shard.scoring(ScoringProgress("dev", 25 * step, 2000, step / 80))
    assert [report.done for report in reports] == pytest.approx([1 / 8, 2 / 8, 3 / 8, 4 / 8])
    assert reports[0].line == (
        "zero-shot, films, 4-shot: template 0, seed 0, scoring dev: 250 of 2,000 rows"
    )
    assert reports[0].scoring and reports[0].seconds == 1.0


def test_the_share_of_a_trained_run_counts_training_and_scoring(config: dict, clock: Clock):
    reports: list[RunProgress] = []
    shard = ShardProgress([planned(config, "LoRA")], reports.append)
    clock.now = 10.0
    shard.scoring(ScoringProgress("dev", 1, 4))  # while training
    shard.training(4, [MemberProgress(history=[[4, 0.5, 0.75, 0.4]], best_score=0.75)])
    clock.now = 30.0
    shard.scoring(ScoringProgress("train", 1, 4, 0.25))
    assert [report.done for report in reports] == [None, 1.0, pytest.approx(30 / (10 + 20 / 0.25))]
    position = "LoRA, films, 4-shot: learning_rate 0.01, seed 0, step 4/4, loss 0.500, dev 75.0"
    assert reports[-1].line == f"{position}, scoring train: 1 of 4 rows"


@pytest.mark.parametrize("on_test", [False, True], ids=["dev", "test"])
def test_the_time_left_moves_with_scoring(on_test: bool, config: dict, clock: Clock):
    """A prompt that was expected to take 10 seconds takes 200; its lines tell the rest."""
    run, shown = planned(config, "zero-shot"), io.StringIO()
    work = CellWork(run.cell.key, 1, int(on_test), "prompt", (2, 32), 10.0)
    progress = SweepProgress([work], Console(file=shown, width=200))
    if on_test:
        progress.time_left.finished(work.key, 1, 10.0, 0.0, elapsed=None)
    progress.begin([run], on_test)
    shard = ShardProgress([run], progress.report)
    left = []
    for seconds in range(20, 200, 20):
        clock.now = float(seconds)
        shard.scoring(ScoringProgress("dev", seconds, 200, seconds / 200))
        left.append(progress.time_left.left(progress.elapsed))
    assert left[2:] == pytest.approx([200 - s for s in range(60, 200, 20)], rel=0.25, abs=8)
    lines = shown.getvalue().splitlines()
    assert len(lines) == 9 + on_test and "scoring dev: 180 of 200 rows, about" in lines[-1]
    progress.end([run], on_test, failed=False)
    assert not progress.time_left.running


def test_lines_that_stay_are_seldom(config: dict, clock: Clock):
    run = planned(config, "zero-shot")
    work = [CellWork(run.cell.key, 1, 0, "prompt", (2, 32), 10.0)]
    counts = []
    for terminal in (False, True):
        shown, clock.now = io.StringIO(), 0.0
        progress = SweepProgress(work, Console(file=shown, force_terminal=terminal, width=200))
        progress.begin([run], on_test=False)
        for second in range(1, 31):
            clock.now = float(second)
            progress.report(RunProgress("scoring", run.id, second / 30, second, scoring=True))
        counts.append(shown.getvalue().count("scoring"))
    assert counts == [3, 30]


def lines_of(config: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines about scoring of a sweep with one seed."""
    lines: list[str] = []
    report = SweepProgress.report

    def noting(self: SweepProgress, progress: RunProgress) -> None:
        lines.append(progress.line)
        report(self, progress)

    monkeypatch.setattr(SweepProgress, "report", noting)
    config |= {"seeds": 1, "search_seeds": 1}
    sweep(Experiment.parse(config), folder, Console(file=io.StringIO()))
    return [line for line in lines if ", scoring " in line]


def test_a_sweep_shows_what_it_scores(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run_progress, "SCORING_SECONDS", 0.0)
    config["approaches"] = [config["approaches"][i] for i in (0, 2)]
    lines = lines_of(config, tmp_path, monkeypatch)
    assert "zero-shot, films, 4-shot: template 0, seed 0, scoring dev: 8 of 8 rows" in lines
    for split in ("dev", "dev without training", "train", "test"):
        assert any(f"scoring {split}: " in line and "LoRA" in line for line in lines), split
    assert any("step 1/4, scoring dev: " in line for line in lines)  # while training


@pytest.mark.thorough
def test_workers_send_what_they_score(
    config: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker_process, "serve_commands", serve_commands_reporting_each_batch)
    config["approaches"] = [{"name": "zero-shot", "scoring": "fixed"}]
    lines = lines_of(config | {"workers": 2}, tmp_path / "results", monkeypatch)
    scored = [line for line in lines if "scoring test: " in line]
    assert scored and all(line.endswith(" of 8 rows") for line in scored)
