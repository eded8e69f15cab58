"""Whole sweeps on an encoder and on T5: their routes, their methods, what is kept of a run."""

from pathlib import Path

import numpy as np
import pytest

from research.common.errors import InputError
from research.models.backbone import load_backbone, save_backbone
from research.records.store import RunStore
from research.records.weights import load_trained
from tests import films
from tests.sweeps.family_experiments import by_row, prepared, trained, write_tokenizer

LORA = {"name": "lora", "rank": 2}
SOFT = {"name": "soft_prompt", "length": 3}


@pytest.mark.thorough
def test_an_encoder_by_masks_and_by_a_head(tmp_path: Path):
    head = {"name": "head"}
    approaches = [
        {"name": "zero-shot", "trials": [{"template": 0}]},
        trained("soft prompt + head", {**head, "pool": "mean"}, SOFT),
        trained("full + head", head, {"name": "full"}),
    ]
    config = prepared(tmp_path, "bert", ("cls", "sep", "mask"), approaches)
    records = by_row(films.run({**config, "keep_trained": True}, tmp_path / "results"))
    every = load_backbone(config["backbone"])
    width = every.model.config.width
    whole = sum(leaf.size for leaf in every.params.values())
    counts = {name: records[name].costs.trained_params for name in records}
    assert counts["zero-shot"] == 0
    assert counts["soft prompt + head"] == 3 * width + 2 * width + 2
    # This checkpoint has no pooler, so a head on the first position has a layer of its own.
    assert counts["full + head"] == whole + width * width + width + 2 * width + 2
    assert records["soft prompt + head"].costs.added_tokens == 3
    assert all(record.metrics["test"] for record in records.values())
    # What is kept of a run is what it trained, and nothing of a prompt.
    kept = load_trained(tmp_path / "results", records["soft prompt + head"].run_id)
    assert kept.keys() == {"soft_prompt:/prompt", "head:/kernel", "head:/bias"}
    assert sum(leaf.size for leaf in kept.values()) == counts["soft prompt + head"]
    with pytest.raises(InputError, match="its trained leaves were not kept"):
        load_trained(tmp_path / "results", records["zero-shot"].run_id)


@pytest.mark.thorough
def test_a_head_of_another_task_goes_with_its_stage(tmp_path: Path):
    """It reads the first position by a layer of its own, and nothing of it is kept."""
    head = {"methods": [{"name": "head"}, LORA], "task": "shows"}
    row = trained("row", {"name": "head", "pool": "mean"}, LORA)
    row["stages"] = [head, *row["stages"]]
    config = prepared(tmp_path, "bert", ("cls", "sep"), [row])
    digits = [(text, text[-1:]) for text, _ in films.films(0, 50)]
    shows = {
        "name": "shows",
        "train": films.write_csv(tmp_path / "shows.csv", digits[:40]),
        "test": films.write_csv(tmp_path / "later.csv", digits[40:]),
        "verbalizer": {str(i): str(i) for i in range(10)},
    }
    config |= {"stage_tasks": [{**config["task"], **shows}], "keep_trained": True}
    config["regimes"] = ("2-shot",)
    records = by_row(films.run(config, tmp_path / "results"))
    assert {record.task for record in records.values()} == {"films"}
    kept = load_trained(tmp_path / "results", records["row"].run_id)
    heads = {path: leaf.shape for path, leaf in kept.items() if path.startswith("head:")}
    width = load_backbone(config["backbone"]).model.config.width
    assert heads == {"head:/kernel": (width, 2), "head:/bias": (2,)}


def test_a_head_on_an_encoder_that_predicts_no_tokens(tmp_path: Path):
    row = trained(
        "prefix + head", {"name": "head", "pool": "mean"}, {"name": "prefix", "length": 3}
    )
    config = prepared(tmp_path, "t5 encoder", ("eos",), [row])
    record = by_row(films.run(config, tmp_path / "results"))["prefix + head"]
    config = load_backbone(config["backbone"]).model.config
    added = 2 * config.layers * 3 * config.heads * config.head_width
    assert record.costs.trained_params == added + 2 * config.width + 2
    assert record.costs.added_tokens == 3 and record.costs.cache_bytes == 0
    assert np.isfinite(record.metrics["dev"]["loss"])


def test_a_head_on_a_decoder(tmp_path: Path):
    head = {"name": "head", "pool": "last"}
    rows = [trained("head", head), trained("soft prompt + head", head, SOFT)]
    config = prepared(tmp_path, "llama, one key head, tied", ("eos",), rows)
    records = by_row(films.run(config, tmp_path / "results"))
    width = load_backbone(config["backbone"]).model.config.width
    counts = {name: records[name].costs.trained_params for name in ("head", "soft prompt + head")}
    assert counts == {"head": 2 * width + 2, "soft prompt + head": 3 * width + 2 * width + 2}
    for row in rows:
        record = records[row["name"]]
        _, predictions = RunStore(tmp_path / "results").load(record.run_id)
        np.testing.assert_allclose(np.exp(predictions.scores).sum(1), 1.0, atol=1e-3)


@pytest.mark.thorough
def test_t5_reads_the_prompt_and_writes_the_label(tmp_path: Path):
    approaches = [
        {"name": "few-shot", "demonstrations": 1, "trials": [{}]},
        trained("last layer", LORA, {"name": "last_layers", "last": 1}),
    ]
    config = prepared(tmp_path, "t5", ("eos",), approaches)
    records = by_row(films.run(config, tmp_path / "results"))
    losses = {name: records[name].metrics["dev"]["loss"] for name in records}
    assert np.isfinite(list(losses.values())).all() and len(set(losses.values())) == len(losses)
    assert records["few-shot"].notes.demonstrations == 2
    assert not (tmp_path / "results/trained").exists()


def test_a_head_that_the_backbone_came_with(tmp_path: Path):
    """Without a stage it is scored as it is; a head for other classes is refused."""
    zero = {"name": "zero-shot", "trials": [{"template": 0}]}
    config = prepared(tmp_path, "roberta", ("cls", "sep"), [zero])
    plain = load_backbone(config["backbone"])
    body = {path: leaf for path, leaf in plain.params.items() if not path.startswith("head/")}
    for classes in (2, 3):
        model = plain.model.with_classes(classes)
        draw = np.random.default_rng(0)
        head = {p: draw.normal(size=shape) for p, shape in model.head_shapes().items()}
        config["backbone"] = str(tmp_path / f"{classes} classes")
        save_backbone(config["backbone"], model, {**body, **head})
        write_tokenizer(Path(config["backbone"]), cls="[CLS]", sep="[SEP]")
        if classes == 2:
            films.run(config, tmp_path / "results")
            store = RunStore(tmp_path / "results")
            record = by_row(tmp_path / "results")["zero-shot"]
            _, predictions = store.load(record.run_id)
            np.testing.assert_allclose(np.exp(predictions.scores).sum(1), 1.0, atol=1e-3)
    with pytest.raises(InputError, match="its head has 3 outputs, the task asks for 2"):
        films.run(config, tmp_path / "other")


@pytest.mark.parametrize(
    "variant, special, approach, message",
    [
        ("bert", ("cls", "sep"), {"name": "zero"}, "it has no mask token"),
        ("t5", (), {"name": "zero"}, "it has no eos token"),
        ("t5 encoder", ("eos",), {"name": "zero"}, "the method 'head' is needed"),
        ("t5", ("eos",), trained("h", {"name": "head"}), "carries no classification head"),
        ("llama", ("eos",), trained("h", {"name": "head"}), "head of a decoder reads 'last'"),
    ],
)
def test_what_does_not_fit_is_said_before_anything_runs(
    tmp_path, variant, special, approach, message
):
    config = prepared(tmp_path, variant, special, [approach])
    with pytest.raises(InputError, match=message):
        films.run(config, tmp_path / "results")
    assert not (tmp_path / "results").exists()
