"""Runs whose scores are not finite, and the splits and seconds of scoring."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from research.evaluation.predictor import Predictor
from research.models.backbone import load_backbone, save_backbone
from research.records.predictions.labels import LabelPredictions
from research.records.predictions.texts import TextPredictions
from research.records.schema import RunRecord
from research.records.store import RunStore
from research.reporting.advice.columns import cells_of
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


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(method, rows) of each call of a predictor that computes something."""
    calls: list[tuple[str, int]] = []

    def counted(name: str) -> Any:
        run = getattr(Predictor, name)

        def call(self: Predictor, weights: Any, prompts: Any, *rest: Any, **more: Any) -> Any:
            calls.append((name, len(prompts.rows.length)))
            return run(self, weights, prompts, *rest, **more)

        return call

    for name in ("scores", "generate", "loss"):
        monkeypatch.setattr(Predictor, name, counted(name))
    return calls


def lora_alone(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """One run of LoRA, which dev scores twice while it trains."""
    row = {**config["approaches"][2], "trials": config["approaches"][2]["trials"][:1]}
    return config | {"approaches": [{**row, **changes}], "seeds": 1, "search_seeds": 1}


@pytest.mark.parametrize("prior", ["none", "content_free"])
def test_nothing_is_scored_twice_with_the_same_weights(
    prior: str, config: dict[str, Any], tmp_path: Path, computed: list[tuple[str, int]]
):
    """Dev is scored while training alone, content-free prompts by no split after the first."""
    results = films.run(lora_alone(config, prior=prior), tmp_path)
    [record] = records_of(results, "LoRA")
    dev, [stage] = record.notes.n_dev, record.history
    neutral = {"none": 0, "content_free": 3}[prior]
    parts = {"dev": [dev, dev], "train and unadapted": [dev, dev], "test": [TEST]}
    neutral_rows = [1] * neutral * 3  # trained for dev, unadapted for dev, trained for test
    expected = [*parts["dev"], *parts["train and unadapted"], *parts["test"], *neutral_rows]
    assert sorted(rows for _, rows in computed) == sorted(expected)
    if prior == "none":
        best = max(stage, key=lambda evaluation: (evaluation.dev_score, -evaluation.dev_loss))
        metrics = record.metrics["dev"]
        assert (metrics["accuracy"], metrics["loss"]) == (best.dev_score, best.dev_loss)


def test_weights_that_change_after_training_are_scored_on_dev(
    config: dict[str, Any], tmp_path: Path, computed: list[tuple[str, int]]
):
    stages = [{**config["approaches"][2]["stages"][0], "merge": True}]
    [record] = records_of(films.run(lora_alone(config, stages=stages), tmp_path), "LoRA")
    dev = record.notes.n_dev
    assert sorted(rows for _, rows in computed) == sorted([*[dev] * 5, TEST])


@pytest.mark.thorough
def test_rows_score_the_same_in_the_batches_of_a_large_model(
    config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """With demonstrations, a soft prompt and calibration before the rows."""
    prompt = {"stages": [{"method": {"name": "soft_prompt", "length": 3}}]}
    row = {"name": "LoRA", "demonstrations": 1, "prior": "content_free"}
    lora = {**config["approaches"][2], **row, "trials": [{"learning_rate": 0.1}]}
    config["approaches"] = [lora, {"name": "prompt", "demonstrations": 2, **prompt}]
    config |= {"seeds": 1, "search_seeds": 1, "workers": 1}
    plain = RunStore(films.run(config, tmp_path / "small")).all()
    monkeypatch.setattr("research.evaluation.widths.LARGE", 0)
    monkeypatch.setattr("research.evaluation.widths.POSITIONS", {"cpu": 64})
    large = {r.run_id: r for r in RunStore(films.run(config, tmp_path / "large")).all()}
    for record in plain:
        assert large.keys() >= {record.run_id}
        for split, metrics in record.metrics.items():
            same = large[record.run_id].metrics[split]
            assert same["accuracy"] == metrics["accuracy"]
            if record.backbone and split != "test":
                assert same["loss"] == pytest.approx(metrics["loss"], rel=1e-4)


def test_seconds_of_scoring_are_recorded(swept: Path):
    for record in RunStore(swept).all():
        assert record.costs.evaluation_seconds is not None and record.costs.evaluation_seconds > 0
        assert (record.costs.test_seconds or 0) > 0 or not record.tested
