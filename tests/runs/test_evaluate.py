"""Runs whose scores are not finite, and the splits and seconds of scoring."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.models.backbone import load_backbone, save_backbone
from research.records.predictions.labels import LabelPredictions
from research.records.predictions.texts import TextPredictions
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.reporting.advice.constraints import cells_of
from research.reporting.grid.grid import read_grid
from tests import films

TEST = 8  # films of test.csv
PROMPTS = [{"name": "zero-shot", "trials": [{"template": 0}], "scoring": "fixed"}]


@pytest.fixture
def overflowing(tiny: Path, tmp_path: Path) -> str:
    """The tiny backbone with finite weights whose logits are infinite, so that scores are NaN."""
    loaded = load_backbone(str(tiny / "backbone"))
    [norm] = [path for path in loaded.params if path.startswith("final_norm")]
    params = {**loaded.params, norm: np.full_like(loaded.params[norm], 3e38)}
    params["embed/embedding"] = 100 * params["embed/embedding"]
    assert all(np.isfinite(leaf).all() for leaf in params.values())
    save_backbone(tmp_path / "overflowing", loaded.model, params, films.tokenizer())
    return str(tmp_path / "overflowing")


def records_of(folder: Path, row: str) -> list[RunRecord]:
    return [record for record in RunStore(folder).all() if record.approach == row]


def test_scores_that_are_not_finite_are_wrong_and_marked(
    config: dict[str, Any], overflowing: str, tmp_path: Path
):
    config |= {"backbone": overflowing, "approaches": PROMPTS}
    results = films.run(config, tmp_path / "results")
    records = records_of(results, "zero-shot")
    assert len(records) == 3
    for record in records:
        assert record.notes.not_finite == {"dev": record.notes.n_dev, "test": TEST}
        assert record.metrics["dev"]["accuracy"] == record.metrics["test"]["accuracy"] == 0
        assert record.metrics["dev"]["loss"] is None
        _, answers = RunStore(results).load(record.run_id)
        assert isinstance(answers, LabelPredictions) and (answers.predicted == -1).all()
    grid = read_grid(results)
    [key] = [key for key in grid.cells if key[0] == "zero-shot"]
    assert grid.cells[key].not_finite == 3 * TEST and key not in grid.best and grid.best
    assert key not in [cell.key for cell in cells_of(grid, grid.columns[0])]
    table = (results / "table.md").read_text()
    assert r"| zero-shot | 0.0 \[0.0, 32.4\] †¶ |" in table
    assert "Test answers over all seeds: zero-shot, films, 4-shot 24 of 24." in table
    assert r"$\dagger$\P{}" in (results / "table.tex").read_text()


def test_training_on_scores_that_are_not_finite_diverges(
    config: dict[str, Any], overflowing: str, tmp_path: Path
):
    config |= {"backbone": overflowing, "approaches": config["approaches"][2:], "seeds": 2}
    config["approaches"][0]["trials"] = config["approaches"][0]["trials"][:1]
    records = records_of(films.run(config, tmp_path / "results"), "LoRA")
    assert [record.status for record in records] == ["diverged"] * 2
    assert all(record.notes.not_finite["train"] for record in records)


def test_texts_of_logits_that_are_not_finite_are_empty_and_wrong(
    config: dict[str, Any], overflowing: str, tmp_path: Path
):
    for split in ("train", "test"):
        lines = Path(config["task"][split]).read_text()
        (tmp_path / f"{split}.csv").write_text(lines)
    config["task"] |= {
        "source": "text_file",
        "target": "label",
        "metric": "format",
        "format": ".*",  # an empty text has this format, no text has none
        "decoding": {"max_new_tokens": 4},
    }
    config |= {"backbone": overflowing, "approaches": PROMPTS, "regimes": ("4",)}
    results = films.run(config, tmp_path / "results")
    for decoding in ({"max_new_tokens": 4}, {"max_new_tokens": 4, "num_beams": 2}):
        config["task"]["decoding"] = decoding
        results = films.run(config, tmp_path / f"{len(decoding)}")
        for record in records_of(results, "zero-shot"):
            assert record.notes.not_finite["test"] == TEST
            assert record.metrics["test"]["format"] == 0
            _, answers = RunStore(results).load(record.run_id)
            assert isinstance(answers, TextPredictions) and set(answers.outputs) == {""}


def test_prompts_are_scored_on_train_only_where_it_is_asked_for(
    swept: Path, config: dict[str, Any], tmp_path: Path
):
    for record in RunStore(swept).all():
        assert ("train" in record.metrics) == (record.approach not in ("zero-shot", "few-shot"))
    config |= {"approaches": PROMPTS, "score_train": True}
    asked = records_of(films.run(config, tmp_path / "results"), "zero-shot")
    assert all("train" in record.metrics for record in asked)
    ids = {record.run_id for record in records_of(swept, "zero-shot")}
    assert len({record.run_id for record in asked} & ids) >= 2


def test_seconds_of_scoring_are_recorded(swept: Path):
    for record in RunStore(swept).all():
        assert record.costs.evaluation_seconds is not None and record.costs.evaluation_seconds > 0
        assert (record.costs.test_seconds or 0) > 0 or not record.tested
