"""What tested runs say beside their test score: other domains, groups, other words, plain text."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.experiments.experiment import Experiment
from research.models.backbone import load_backbone, load_tokenizer
from research.records.schema import RunRecord, prediction_file
from research.records.store import RunStore
from research.reporting.build import check_tables
from research.runs.costs.measured import switch_seconds
from research.runs.held_out_text import (
    held_out_passages,
    passages_as_long,
    read_held_out,
    task_text,
)
from research.runtime.devices import Devices
from research.runtime.memory import peak_bytes
from research.stats.groups import GroupScore, agreement
from tests.films import WORDS, films, run, settings, write_csv
from tests.tiny import text_loss_of

TEXT = "a lovely film and a dull one stood side by side in the old hall. " * 40
SOFT = {"method": {"name": "soft_prompt", "length": 3}, "learning_rate": 0.1}
FULL = {"method": {"name": "full"}, "learning_rate": 0.01}


def rows_of_test() -> list[tuple[str, ...]]:
    """(text, label, other words, group): 24 rows in two groups."""
    rows = []
    for i, (text, label) in enumerate(films(40, 64)):
        word = WORDS[label][(i + 1) % 5]
        rows.append((text, label, f"a {word} film {40 + i}", ("old", "new")[i % 3 == 0]))
    return rows


def prepared(tiny: Path, folder: Path) -> dict[str, Any]:
    """The tiny experiment with everything that can be asked of a task, and two approaches."""
    config = settings(tiny)
    test = [",".join(row) for row in (("text", "label", "other", "group"), *rows_of_test())]
    (folder / "test.csv").write_text("\n".join(test) + "\n")
    (folder / "plain.txt").write_text(TEXT)
    shows = [(text.replace("film", "show"), label) for text, label in films(64, 76)]
    config["task"] |= {
        "test": str(folder / "test.csv"),
        "ood": write_csv(folder / "ood.csv", shows),
        "paraphrase": "other",
        "group": "group",
    }
    zero = {"name": "zero-shot", "scoring": "fixed"}
    # The trials of a baseline are those that never meet test
    rows = [{"name": name, "stages": [s]} for name, s in (("soft", SOFT), ("full", FULL))]
    config |= {"held_out": str(folder / "plain.txt"), "approaches": [zero, *rows]}
    short = {"steps": 2, "batch_size": 4, "eval_every": 2}
    return config | {"seeds": 2, "search_seeds": 1, "schedule": short}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("robust")


@pytest.fixture(scope="module")
def losses() -> list[int]:
    """How many leaves each computed language-model loss was given."""
    return []


@pytest.fixture(scope="module")
def results(tiny: Path, folder: Path, losses: list[int]) -> Path:
    loss = Predictor.loss

    def counted(self: Predictor, weights: AdaptedWeights, rows: Any) -> float:
        losses.append(len(weights.leaves))
        return loss(self, weights, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Predictor, "loss", counted)
        return run(prepared(tiny, folder), folder / "results")


def records(results: Path, tested: bool = True) -> list[RunRecord]:
    found = RunStore(results).all()
    return [record for record in found if record.tested == tested]


def test_only_tested_runs_meet_what_is_like_test(results: Path):
    assert len(records(results)) == 2 * 5 and records(results, tested=False)
    for record in records(results, tested=False):
        trains = {"train"} if record.configuration.stages or not record.backbone else set()
        assert set(record.metrics) == {"dev"} | trains
        assert record.robustness is None and record.forgetting is None
        assert not list((results / "predictions").glob(f"{record.run_id}*"))
    for record in records(results):
        trains = {"train"} if record.configuration.stages or not record.backbone else set()
        assert set(record.metrics) == {*trains, "dev", "test", "ood", "paraphrases"}
        assert len(list((results / "predictions").glob(f"{record.run_id}*.csv"))) == 3


def test_predictions_of_all_splits_are_evidence(results: Path):
    record = next(r for r in records(results) if r.approach == "full")
    for split, items in (("ood", 12), ("paraphrases", 24)):
        file = results / prediction_file(record.run_id, split)
        lines = file.read_text().splitlines()[1:]
        right = [line.split(",")[1] == line.split(",")[2] for line in lines]
        assert len(right) == items
        assert record.metrics[split]["accuracy"] == pytest.approx(np.mean(right))
    content = file.read_text()
    file.write_text(content.replace("good,bad", "good,good").replace("bad,good", "bad,bad"))
    with pytest.raises(InputError, match="has another sha256"):
        RunStore(results).read(record.run_id)
    file.write_text(content)


def test_groups_and_other_words_come_from_the_stored_predictions(results: Path):
    store = RunStore(results)
    for record in records(results):
        _, predictions = store.load(record.run_id)
        assert predictions is not None and record.robustness is not None
        right = predictions.predicted == predictions.gold
        new = np.array([row[3] == "new" for row in rows_of_test()])
        groups = record.robustness.groups
        assert set(groups) == {"label", "length", "group"}
        assert groups["group"]["new"] == GroupScore(pytest.approx(right[new].mean()), 8)
        good = predictions.gold == list(predictions.labels).index("good")
        assert groups["label"]["good"].score == pytest.approx(right[good].mean())
        other = results / prediction_file(record.run_id, "paraphrases")
        told = [line.split(",")[2] for line in other.read_text().splitlines()[1:]]
        before = np.array([predictions.labels[i] for i in predictions.predicted])
        assert record.robustness.paraphrases == agreement(before, np.array(told))


def test_the_loss_before_is_computed_once_for_all_runs(results: Path, losses: list[int]):
    """Three losses of the frozen backbone for each room that rows have, one for each trained run.

    A soft prompt of 3 leaves less room than no soft prompt.
    """
    del results
    assert len(losses) == 3 + 3 + 2 + 2


def test_what_is_left_of_general_ability(results: Path, tiny: Path, folder: Path):
    backbone = load_backbone(str(tiny / "backbone"))
    tokenizer = load_tokenizer(str(tiny / "backbone"), backbone.model)
    stream = read_held_out(str(folder / "plain.txt"), tokenizer)
    passages = held_out_passages(stream, 64 - 1)
    texts = [
        ids[:size].tolist() for ids, size in zip(passages.tokens, passages.length, strict=True)
    ]
    begin = np.asarray(backbone.params["embed/embedding"])[[tokenizer.bos_token_id]]
    expected = text_loss_of(backbone.model, backbone.params, texts[:48], begin)
    for record in records(results):
        losses = record.forgetting
        assert (losses is None) == (record.backbone is None)
        if losses is not None and record.approach == "zero-shot":
            assert losses.before == losses.after == pytest.approx(expected, rel=1e-5)
            assert losses.removable
        elif losses is not None:
            assert losses.before != losses.after
            assert losses.removable == (record.approach == "soft")


def test_the_task_is_compared_with_passages_as_long(results: Path, tiny: Path, folder: Path):
    backbone = load_backbone(str(tiny / "backbone"))
    tokenizer = load_tokenizer(str(tiny / "backbone"), backbone.model)
    task = Experiment.parse(prepared(tiny, folder)).tasks[0].load()
    texts = task_text(task, tokenizer, 63)
    own = passages_as_long(read_held_out(str(folder / "plain.txt"), tokenizer), texts)
    assert (
        len(texts.length) == 40 and own.length.tolist() == texts.length.tolist()[: len(own.length)]
    )
    assert tokenizer.decode(texts.tokens[0, : texts.length[0]]) == task.train[0].fields["text"]
    for record in records(results):
        if record.backbone is not None:
            assert record.forgetting and record.forgetting.task and record.forgetting.as_long


def test_what_a_tested_run_costs(results: Path, tiny: Path):
    whole = sum(leaf.size for leaf in load_backbone(str(tiny / "backbone")).params.values())
    for record in records(results):
        costs = record.costs
        if record.approach == "zero-shot":
            assert costs.switch_seconds == 0.0 and costs.train_flops == 0.0
        elif record.backbone is not None:
            assert costs.switch_seconds and 0 < costs.switch_seconds < 1
            assert costs.train_flops == record.notes.steps[0] * (costs.step_flops or 0)
            assert costs.memory and costs.peak_bytes
            assert costs.peak_bytes == peak_bytes(vars(costs.memory)) > 4 * whole  # pyright: ignore
    peaks = {r.approach: r.costs.peak_bytes for r in records(results)}
    assert peaks["full"] > peaks["soft"] and peaks["zero-shot"] is None
    assert peak_bytes({"argument_bytes": 5}) is None


def test_switching_puts_the_leaves_on_the_devices():
    leaves = {"a": jnp.ones((4, 6)), "b": np.ones(3, np.float32)}
    assert 0 < switch_seconds(leaves, Devices(count=2, fsdp=2)) < 1
    assert switch_seconds({}, Devices(count=1)) == 0.0


def test_the_tables_come_from_the_runs_alone(results: Path):
    assert check_tables(results) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"held_out": "missing.txt"}, "held_out is 'missing.txt': a UTF-8 text file is expected"),
        ({"held_out": "short.txt"}, "and at least 128 are needed"),
    ],
)
def test_text_that_will_not_do(
    change: dict, said: str, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "short.txt").write_text("a film")
    with pytest.raises(InputError, match=said):
        run(settings(tiny) | change, tmp_path / "results")
    assert not (tmp_path / "results").exists()
