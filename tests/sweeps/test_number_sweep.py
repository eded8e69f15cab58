"""A task of numbers from its files to the table, and the file that keeps what was answered."""

from pathlib import Path

import numpy as np
import pytest

from research.common.errors import InputError
from research.models.backbone import load_backbone, save_backbone
from research.records.measurements import Robustness
from research.records.predictions.numbers import NumberPredictions, parse_numbers
from research.records.store import RunStore
from research.stats.intervals import influences, variance
from tests import films
from tests.sweeps.family_experiments import by_row, prepared, trained, write_tokenizer

FOUND = NumberPredictions(np.array([0.0, 3.8, 1 / 3]), np.array([-1e-9, 4.0, 2.5]))


@pytest.mark.parametrize("metric", FOUND.names)
def test_the_variance_is_that_of_new_samples(metric: str):
    """The jackknife's standard error against the spread over fresh draws of the items."""
    draw, scores, errors = np.random.default_rng(0), [], []
    for _ in range(300):
        gold = draw.normal(size=60)
        found = NumberPredictions(gold, gold + draw.normal(size=60))
        influence = influences([found], metric)
        assert influence.mean() == pytest.approx(found.metrics()[metric])
        scores.append(influence.mean())
        errors.append(variance(influence)[0])
    assert np.mean(errors) == pytest.approx(np.var(scores), rel=0.2)


def test_a_file_holds_all_that_it_was_made_of():
    back = parse_numbers(FOUND.to_csv(), "file")
    np.testing.assert_array_equal(back.gold, FOUND.gold)
    np.testing.assert_array_equal(back.predicted, FOUND.predicted)
    assert back.metrics() == FOUND.metrics() and back.metrics().keys() == {"pearson", "spearman"}


@pytest.mark.parametrize(
    "before, after",
    [("gold", "label"), ("\n1,", "\n7,"), ("3.8", "many"), (",4.0", ""), ("0,0.0,-1e-09\n1,", "x")],
)
def test_a_file_that_is_no_such_file_is_named(before: str, after: str):
    changed = FOUND.to_csv().decode().replace(before, after, 1)
    for content in (changed.encode(), b""):
        with pytest.raises(InputError, match="^file is "):
            parse_numbers(content, "file")


def config(folder: Path, approaches: list) -> dict:
    """How many words of a film are good, of a tiny RoBERTa."""
    plain = prepared(folder, "roberta", ("cls", "sep"), approaches)
    for split, places in {"train": (0, 40), "test": (40, 60)}.items():
        rows = [(text, str(i % 5 / 4)) for i, (text, _) in enumerate(films.films(*places))]
        plain["task"][split] = films.write_csv(folder / f"{split}.csv", rows)
    task = {**plain["task"], "source": "number_file", "name": "alike"}
    del task["verbalizer"]
    return {**plain, "regimes": ("16",), "task": task}


def test_a_head_of_one_output_that_the_backbone_came_with(tmp_path: Path):
    plain = config(tmp_path, [{"name": "unadapted", "trials": [{"template": 0}]}])
    body = load_backbone(plain["backbone"])
    for outputs in (1, 2):
        model = body.model.with_classes(outputs)
        draw = np.random.default_rng(0)
        head = {p: draw.normal(size=shape) for p, shape in model.head_shapes().items()}
        leaves = {path: x for path, x in body.params.items() if not path.startswith("head/")}
        plain["backbone"] = str(tmp_path / f"{outputs} outputs")
        save_backbone(plain["backbone"], model, {**leaves, **head})
        write_tokenizer(Path(plain["backbone"]), cls="[CLS]", sep="[SEP]")
        if outputs == 1:
            results = films.run(plain, tmp_path / "results")
    records = by_row(results)
    assert records.keys() == {
        *("unadapted", "most common target", "target of the nearest input"),
    }
    record = records["unadapted"]
    _, found = RunStore(results).load(record.run_id)
    assert isinstance(found, NumberPredictions) and np.ptp(found.predicted) > 0
    assert found.gold.tolist() == [i % 5 / 4 for i in range(20)]
    assert record.metrics["test"] == pytest.approx(found.metrics(), abs=1e-6)
    assert record.robustness == Robustness()
    assert records["most common target"].metrics["test"]["pearson"] == 0
    table = (results / "table.md").read_text()
    assert "Pearson's correlation on test in percent" in table and "agreement" not in table
    with pytest.raises(InputError, match="its head has 2 outputs, the task asks for 1"):
        films.run(plain, tmp_path / "other")


def test_a_number_takes_a_head(tmp_path: Path):
    plain = config(tmp_path, [trained("LoRA", {"name": "lora"})])
    with pytest.raises(InputError, match="the task asks for a number, which takes an encoder"):
        films.run(plain, tmp_path / "results")


@pytest.mark.thorough
def test_a_head_learns_a_number(tmp_path: Path):
    """The words of a film decide its number; a constant correlates with nothing."""
    row = trained("head + full", {"name": "head"}, {"name": "full"})
    row["trials"] = [{"learning_rate": 3e-3}]
    plain = config(tmp_path, [row]) | {"regimes": ("20",)}
    plain["schedule"] = {"steps": 60, "eval_every": 20}
    records = by_row(films.run(plain, tmp_path / "results"))
    record = records["head + full"]
    assert record.metrics["test"]["pearson"] > 0.9
    assert record.notes.not_learned is None
    losses = [loss for _, loss, *_ in record.history[0]]
    assert losses[-1] < 0.25 * losses[0]
