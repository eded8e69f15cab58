import json
import shutil

import numpy as np
import pytest

from research.common.errors import InputError
from research.records.measurements import BackboneReference, DataChecksums
from research.records.predictions.labels import LabelPredictions
from research.records.schema import prediction_file
from research.reporting.grid.grid import read_grid
from research.stats.intervals import influences, interval

SENTIMENT = ("sentiment", "16-shot")


def test_a_finished_sweep_gives_every_cell_in_plan_order(finished):
    grid = read_grid(finished)
    assert grid.rows == (
        "zero-shot prompt",
        "few-shot prompt",
        "LoRA",
        "full fine-tuning",
        "majority class",
        "TF-IDF + logistic regression",
    )
    assert grid.baselines == {"majority class", "TF-IDF + logistic regression"}
    assert grid.columns == (
        SENTIMENT,
        ("sentiment", "500"),
        ("topic_50%", "16-shot"),
        ("topic_50%", "500"),
    )
    assert len(grid.tested()) == 24 and not any(cell.provisional for cell in grid.tested())
    assert (grid.name, grid.backbone) == ("demo", "org/tiny")


def test_a_cell_is_the_chosen_trial_over_all_seeds(finished):
    cell = read_grid(finished).cell("LoRA", SENTIMENT)
    assert cell is not None
    assert [run.trial for run in cell.runs] == [{"learning_rate": 1e-3}] * 5
    assert cell.seeds == (0, 1, 2, 3, 4)
    assert (cell.trials, cell.seed_count, cell.ran, cell.diverged) == (3, 5, 9, 0)
    mean = np.mean([run.metrics["test"]["accuracy"] for run in cell.runs])
    assert cell.score("accuracy").score == pytest.approx(mean)
    assert cell.cost("train_seconds") == 3.0  # the median of 1 to 5
    assert cell.cost("switch_seconds") is None


def test_a_correlation_may_be_negative(finished):
    guessed = read_grid(finished).cell("majority class", ("sentiment", "16-shot"))
    assert guessed is not None
    score = guessed.score("matthews")
    assert score.low < score.score < score.high < 0


def test_the_interval_comes_from_the_predictions_of_all_seeds(finished):
    cell = read_grid(finished).cell("LoRA", ("topic_50%", "500"))
    assert cell is not None and cell.headline == "macro_f1"
    rows = []
    for run in cell.runs:
        lines = (finished / prediction_file(run.run_id, "test")).read_text().splitlines()[1:]
        rows.append([line.split(",")[1:3] for line in lines])
    classes = np.array(rows) == "positive"
    gold, predicted = classes[0, :, 0].astype(int), classes[:, :, 1].astype(int)
    labels, scores = ("negative", "positive"), np.zeros((len(gold), 2))
    found = [LabelPredictions(labels, gold, row, scores) for row in predicted]
    assert cell.score("macro_f1") == interval(influences(found, "macro_f1"))


def test_the_best_group_holds_cells_that_are_not_different(finished):
    grid = read_grid(finished)
    best = {row for row, *column in grid.best if tuple(column) == SENTIMENT}
    assert best == {"LoRA", "full fine-tuning"}


def test_the_columns_of_a_table_share_the_level(sweep, monkeypatch):
    """A column with one cell compares nothing and takes no share."""
    levels = []
    monkeypatch.setattr(
        "research.reporting.grid.grid.best_group",
        lambda cells, level: levels.append(level) or [True] * len(cells),
    )
    for task, regime in ((0, 0), (0, 1), (1, 1)):
        sweep.cell(0, task, regime)
        sweep.cell(4, task, regime)
    sweep.cell(0, 1, 0)
    assert len(read_grid(sweep.folder).best) == 6
    assert levels == [pytest.approx(0.05 / 3)] * 3


def test_test_scores_do_not_move_the_choice(sweep):
    """A trial that dev rejected stays out even if it was tested, as after a wider search."""
    sweep.cell(2, 0, 0)
    extra = read_grid(sweep.folder).cell("LoRA", SENTIMENT)
    sweep.cell(3, 0, 0, skip=lambda trial, seed: trial == 2)
    for seed in range(2):
        sweep.run(3, 0, 0, 2, seed, tested=True, status="diverged")
    cell = read_grid(sweep.folder).cell("full fine-tuning", SENTIMENT)
    assert extra is not None and cell is not None
    assert {run.trial["learning_rate"] for run in cell.runs} == {1e-4}
    assert cell.diverged == 2


def test_missing_seeds_make_a_cell_provisional_and_unranked(sweep):
    sweep.cell(0, 0, 0)
    sweep.cell(1, 0, 0)
    sweep.cell(2, 0, 0, skip=lambda trial, seed: seed == 4)
    grid = read_grid(sweep.folder)
    cell = grid.cell("LoRA", SENTIMENT)
    assert cell is not None and cell.provisional and not cell.complete and len(cell.runs) == 4
    assert cell.score("accuracy").score > 0.8  # the best score, by far
    assert {key[0] for key in grid.best} == {"zero-shot prompt", "few-shot prompt"}


@pytest.mark.parametrize("missing", [(2, 1), (2, None)])
def test_an_unfinished_search_is_a_missing_cell(sweep, missing):
    trial, seed = missing
    sweep.cell(2, 0, 0, skip=lambda t, s: t == trial and seed in (s, None))
    sweep.cell(0, 0, 0)
    grid = read_grid(sweep.folder)
    assert grid.cell("LoRA", SENTIMENT) is None and grid.rows == ("zero-shot prompt", "LoRA")
    assert grid.cell("unknown", SENTIMENT) is None


def test_a_lonely_cell_is_not_the_best(sweep):
    sweep.cell(0, 0, 0)
    assert read_grid(sweep.folder).best == frozenset()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"backbone": BackboneReference("other", "def")}, "backbone.*one"),
        ({"data": DataChecksums("other", "split")}, "task_checksum.*other runs of task sentiment"),
        ({"metric": "macro_f1"}, "metric"),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(sweep, change, message):
    sweep.cell(0, 0, 0)
    sweep.run(1, 0, 0, 0, 0, tested=False, **change)
    with pytest.raises(InputError, match=message):
        read_grid(sweep.folder)


def test_two_runs_in_one_place_are_refused(sweep):
    sweep.cell(0, 0, 0)
    sweep.run(0, 0, 0, 0, 3, tested=True, settings={"steps": 200})
    with pytest.raises(InputError, match="zero-shot prompt, sentiment, 16-shot.*seed 3"):
        read_grid(sweep.folder)


def test_other_test_items_are_refused(sweep):
    sweep.cell(0, 0, 0)
    sweep.cell(
        1, 1, 0, task="sentiment", metric="accuracy", data=DataChecksums("sentiment", "split")
    )
    with pytest.raises(InputError, match="predictions.*items differ"):
        read_grid(sweep.folder)


def test_an_edited_score_is_refused(finished, tmp_path, edit):
    folder = shutil.copytree(finished, tmp_path / "copy")
    paths = sorted((folder / "runs").iterdir())
    path = next(p for p in paths if "test" in json.loads(p.read_text())["metrics"])
    edit(path, metrics={**json.loads(path.read_text())["metrics"], "test": {"accuracy": 0.99}})
    with pytest.raises(InputError, match=f"{path.name}.*metrics.test.accuracy"):
        read_grid(folder)


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(InputError, match="runs/ is expected"):
        read_grid(tmp_path)
    (tmp_path / "runs").mkdir()
    with pytest.raises(InputError, match="runs/ is expected"):
        read_grid(tmp_path)
