"""Progress of scoring: rows of each split, and the share of all that a run scores."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.experiments.plan import Run
from research.runs.context import open_context
from research.runs.evaluate import RunEvaluator
from research.runs.scoring_progress import ScoringCounter, ScoringProgress, report_of_run
from research.runs.state import RunState
from tests import tiny


def test_the_share_counts_the_tokens_of_all_splits():
    first, second, neutral = tiny.encoded(4), tiny.encoded(6, seed=1), tiny.encoded(1, seed=2)
    first = replace(first, neutral=(neutral,))
    reports: list[ScoringProgress] = []
    counter = ScoringCounter([[first], [second, second]], reports.append)
    tokens = [int(rows.length.sum()) for rows in (first, neutral, second)]
    report = counter.begin("dev", [first])
    for done, of_pass in ((2, 4), (4, 4), (1, 1)):
        report(done, of_pass)
    report = counter.begin("test", [second, second])
    for done, of_pass in ((6, 6), (3, 6), (6, 6)):
        report(done, of_pass)
    named = [(progress.split, progress.rows, progress.total) for progress in reports]
    assert named[:3] == [("dev", 2, 5), ("dev", 4, 5), ("dev", 5, 5)]
    assert named[3:] == [("test", 6, 12), ("test", 9, 12), ("test", 12, 12)]
    dev, test = tokens[0] + tokens[1], 2 * tokens[2]
    expected = [dev * done / 5 for done in (2, 4, 5)] + [
        dev + test * done / 12 for done in (6, 9, 12)
    ]
    shares = [progress.share or 0.0 for progress in reports]
    np.testing.assert_allclose(shares, np.array(expected) / (dev + test))


def test_runs_that_are_scored_one_after_another_have_parts_of_the_share():
    shares: list[float | None] = []
    report = report_of_run(lambda progress: shares.append(progress.share), 1, 4)
    report(ScoringProgress("dev", 1, 2, 0.5))
    report(ScoringProgress("plain text", 1, 2))
    assert shares == [0.375, None]


@pytest.mark.parametrize(
    "row", [{}, {"ensemble": 2, "prior": "content_free"}], ids=["plain", "ensemble"]
)
def test_a_run_reports_all_that_it_scores(row: dict[str, Any], config: dict, tmp_path):
    config["approaches"] = [{"name": "prompt", "scoring": "fixed", **row}]
    experiment = Experiment.parse(config | {"score_train": True})
    context, task = open_context(experiment, tmp_path), experiment.tasks[0].load()
    cell = next(iter(cells(experiment, {task.name: task}, context.backbone.checksum)))
    reports: list[ScoringProgress] = []
    evaluator = RunEvaluator(RunState(Run(cell, {}, 0), context), reports.append)
    for splits, evaluate in (
        (["dev", "train"], evaluator.result),
        (["test"], evaluator.test_result),
    ):
        reports.clear()
        evaluate()
        assert list(dict.fromkeys(progress.split for progress in reports)) == splits
        shares = [progress.share or 0.0 for progress in reports]
        assert shares == sorted(shares) and 0 < shares[0] <= shares[-1] <= 1 + 1e-9
        if not row:  # else the scores of content-free prompts are computed once for all splits
            assert shares[-1] == pytest.approx(1)
            assert reports[-1].rows == reports[-1].total
