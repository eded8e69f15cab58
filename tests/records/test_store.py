import json
import multiprocessing
import os
from dataclasses import replace

import numpy as np
import pytest

from research.common.errors import InputError
from research.common.files import write_atomically
from research.records.measurements import Evaluation, Notes, SoftPromptNote
from research.records.predictions.labels import LabelPredictions, parse_labels
from research.records.schema import SCHEMA_VERSION, RunRecord
from research.records.store import RunStore, run_id
from tests.run_records import make_record

LABELS = ("negative", 'a "quoted", label', "two\nlines")


def predictions(seed=0, items=12):
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=items)
    scores = rng.normal(size=(items, 3))
    return LabelPredictions(LABELS, gold, scores.argmax(1), scores)


def record(seed=0, test=None, dev=0.5, **changes):
    metrics = {"dev": {"accuracy": dev, "loss": 1.0}, **({"test": test} if test else {})}
    return make_record(seed, labels=LABELS, metrics=metrics, **changes)


def scored(seed=0, **changes):
    answers = predictions(seed)
    return record(seed, test=answers.metrics(), **changes), {"test": answers}


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_the_id_depends_on_the_settings_and_not_on_their_order():
    assert run_id({"a": 1, "b": {"c": [1.5], "d": None}}) == run_id(
        {"b": {"d": None, "c": (1.5,)}, "a": 1}
    )
    assert run_id({"a": 1}) != run_id({"a": 2})
    # The hash of '{"a":1}' by sha256sum: an id must never change, else all results are orphaned.
    assert run_id({"a": 1}) == "015abd7f5cc57a2d"


def test_settings_json_cannot_hold_are_refused():
    with pytest.raises(InputError, match="settings"):
        run_id({"learning_rate": float("nan")})
    with pytest.raises(InputError, match="settings"):
        run_id({"model": object()})


def test_a_run_comes_back_as_it_was_written(tmp_path):
    store = RunStore(tmp_path)
    run, answers = scored()
    assert not store.has(run.run_id) and store.all() == []
    stored = store.write(run, answers)
    assert store.has(run.run_id)
    assert store.all() == [stored]
    assert stored.metrics == run.metrics
    _, back = store.load(run.run_id)
    assert back is not None and back.labels == LABELS
    np.testing.assert_array_equal(back.gold, answers["test"].gold)
    np.testing.assert_array_equal(back.predicted, answers["test"].predicted)
    np.testing.assert_allclose(back.scores, answers["test"].scores, atol=5.1e-5)
    assert not list(tmp_path.rglob("*.tmp"))


def test_half_written_files_are_removed_at_any_depth(tmp_path):
    for name in (".table.md.1.tmp", "runs/.id.json.1.tmp", "checkpoints/a/b/.file.npz.1.tmp"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{")
    (tmp_path / "notes.tmp").write_text("of the user")
    RunStore(tmp_path).clear()
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["notes.tmp"]


def test_numpy_and_non_finite_numbers_become_json(tmp_path):
    costs = replace(record().costs, step_flops=np.float32(2.0), train_seconds=float("inf"))
    history = ((Evaluation(30, float("nan"), np.float64(0.5), 0.7),),)
    diverged = SoftPromptNote(((None,),), ((float("nan"),),), (float("inf"),), (1.0, 2.0, 3.0))
    notes = Notes(n_dev=32, prompt=diverged)
    stored = RunStore(tmp_path).write(record(costs=costs, history=history, notes=notes))
    assert stored.notes.prompt == SoftPromptNote(((None,),), ((None,),), (None,), (1.0, 2.0, 3.0))
    assert (stored.costs.step_flops, stored.costs.train_seconds) == (2.0, None)
    assert stored.history == ((Evaluation(30, None, 0.5, 0.7),),)
    assert RunStore(tmp_path).read(stored.run_id) == stored


def test_a_record_of_another_schema_is_refused():
    content = {**record().to_json(), "schema_version": SCHEMA_VERSION + 1}
    message = rf"^old.json: schema_version is {SCHEMA_VERSION + 1}: this code reads schema version"
    with pytest.raises(InputError, match=message):
        RunRecord.from_json(content, "old.json")


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(InputError, match="results is '.*results': a folder is expected"):
        RunStore(tmp_path / "results")


def test_no_answer_is_an_empty_cell():
    answers = LabelPredictions(("no", "yes"), np.array([0, 1]), np.array([-1, 1]), np.zeros((2, 2)))
    content = answers.to_csv()
    assert content.decode().splitlines()[1] == "0,no,,0.0000,0.0000"
    np.testing.assert_array_equal(parse_labels(content, ["no", "yes"], "x").predicted, [-1, 1])


def test_of_many_classes_two_scores_are_kept():
    draw = np.random.default_rng(0)
    labels = tuple(f"class {i}" for i in range(40))
    scores, gold = draw.normal(size=(6, 40)), draw.integers(0, 40, 6)
    predicted = np.where(np.arange(6) == 5, -1, scores.argmax(1))
    content = LabelPredictions(labels, gold, predicted, scores).to_csv()
    assert content.splitlines()[0] == b"item,gold,predicted,score of gold,score of predicted"
    back = parse_labels(content, list(labels), "x")
    np.testing.assert_array_equal(back.predicted, predicted)
    kept = np.stack([scores[np.arange(6), gold], scores.max(1)], axis=1)
    np.testing.assert_allclose(back.scores[:5], kept[:5], atol=5.1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "header"),
        (b"item,gold,predicted,yes,no\n", "header"),
        (b"item,gold,predicted,no,yes\n", "not a prediction"),
        (b"item,gold,predicted,no,yes\n0,no,maybe,0,0\n", "maybe"),
        (b"item,gold,predicted,no,yes\n0,no,yes,0\n", "not a prediction"),
        (b"item,gold,predicted,no,yes\n1,no,yes,0,0\n", "numbered"),
        (b"\xff\xfe", "CSV file"),
    ],
)
def test_a_garbled_predictions_file_is_named(content, message):
    with pytest.raises(InputError, match="file.csv.*" + message):
        parse_labels(content, ["no", "yes"], "file.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(run_id="0" * 16), "run_id"),
        (lambda r: r["settings"].update(seed=7), "settings"),
        (
            lambda r: r["metrics"]["test"].update(accuracy=0.99),
            "metrics.test.accuracy.*content .* was changed",
        ),
        (lambda r: r["metrics"]["test"].update(macro_f1=0.99), "metrics.test.macro_f1"),
        (lambda r: r["metrics"]["test"].pop("accuracy"), "metrics.test.accuracy"),
        (
            lambda r: r["metrics"]["test"].update(accuracy="high"),
            r"metrics\['test'\]\['accuracy'\]",
        ),
        (lambda r: r["metrics"].update(test=0.5), r"metrics\['test'\]"),
        (
            lambda r: r["metrics"]["dev"].update(accuracy=0.99),
            "checksum.*content .* was changed",
        ),
        (lambda r: r["predictions"].update(test="0" * 64), "predictions.test.*another sha256"),
        (lambda r: r.pop("predictions"), "come together"),
        (lambda r: r.update(status="fine"), "status"),
        (lambda r: r["seeds"].update(sample="0"), "seeds.sample"),
        (lambda r: r.update(seed=0), "seed.*not a field"),
        (lambda r: r.update(history=[[[1, 2]]]), "history"),
        (lambda r: r["configuration"].update(approach={"stages": [{}]}), "stages of an approach"),
        (lambda r: r.pop("schema_version"), "schema_version is None: this code reads"),
        (lambda r: r.pop("approach"), "approach"),
        (lambda r: r.update(labels=["a", "b", "c"]), "header"),
    ],
)
def test_reading_names_the_file_and_the_field_that_is_wrong(tmp_path, change, message):
    store = RunStore(tmp_path)
    id = store.write(*scored()).run_id
    edit(tmp_path / "runs" / f"{id}.json", change)
    with pytest.raises(InputError, match=f"(?s){id}.*{message}"):
        store.all()


@pytest.mark.parametrize("content", [b"", b'{"run_id": ', b"\xff", b"[]", b"{}", b'{"x": NaN}'])
def test_a_half_written_or_foreign_file_is_named(tmp_path, content):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "notes.json").write_bytes(content)
    with pytest.raises(InputError, match="notes.json"):
        RunStore(tmp_path).all()


def test_changed_or_missing_predictions_are_noticed(tmp_path):
    store = RunStore(tmp_path)
    id = store.write(*scored()).run_id
    path = tmp_path / "predictions" / f"{id}.csv"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InputError, match="another sha256"):
        store.read(id)
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        store.read(id)


def test_a_run_may_gain_its_test_result_and_is_never_replaced(tmp_path):
    store = RunStore(tmp_path)
    store.write(record())
    with pytest.raises(InputError, match="stored already"):
        store.write(record())
    other, answers = scored(dev=0.75)
    with pytest.raises(InputError, match="metrics.dev"):
        store.write(other, answers)
    run, answers = scored()
    store.write(run, answers)
    with pytest.raises(InputError, match="test score already"):
        store.write(run, answers)
    assert store.read(run.run_id).metrics == run.metrics


def test_what_does_not_fit_together_is_not_written(tmp_path):
    store = RunStore(tmp_path)
    run, answers = scored()
    with pytest.raises(InputError, match="come together"):
        store.write(run)
    with pytest.raises(InputError, match="come together"):
        store.write(record(), answers)
    with pytest.raises(InputError, match="metrics.test.accuracy"):
        store.write(record(test={"accuracy": 2.0}), answers)
    with pytest.raises(InputError, match="run_id"):
        store.write(record(run_id="0" * 16))
    assert store.ids() == [] and not list(tmp_path.rglob("*.csv"))


def test_a_crash_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def crash(*_):
        raise OSError("power cut")

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(InputError, match="file is .*file': it cannot be written .power cut"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["file"]
    with pytest.raises(InputError, match="it cannot be written .File exists"):
        write_atomically(path / "below", b"new")


def test_predictions_are_there_before_the_record(tmp_path, monkeypatch):
    order, replace = [], os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append(b.suffix), replace(a, b)))
    RunStore(tmp_path).write(*scored())
    assert order == [".csv", ".json"]


def write_runs(folder, seeds):
    for seed in seeds:
        RunStore(folder).write(*scored(seed))


def test_two_workers_write_into_one_folder(tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [
        context.Process(target=write_runs, args=(tmp_path, range(i, 20, 2))) for i in range(2)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(r.seed for r in RunStore(tmp_path).all()) == list(range(20))


def test_a_run_is_parsed_once_while_its_files_stay_the_same(tmp_path, monkeypatch):
    store, (stored, answers) = RunStore(tmp_path), scored()
    id = store.write(stored, answers).run_id
    store.read(id)
    with monkeypatch.context() as patched:
        patched.delattr(RunRecord, "from_json")
        assert store.read(id) == RunStore(tmp_path).load(id)[0]
        np.testing.assert_array_equal(store.load(id)[1].gold, answers["test"].gold)
    for file in (tmp_path / f"predictions/{id}.csv", tmp_path / f"runs/{id}.json"):
        content = file.read_bytes()
        write_atomically(file, content.replace(b"0", b"1"))
        with pytest.raises(InputError):
            store.read(id)
        write_atomically(file, content)
        assert store.read(id).run_id == id


def test_texts_in_which_labels_were_found_are_stored():
    scores = np.array([[0.5, 0.0], [0.0, 1.0]])
    answers = LabelPredictions(
        ("no", "yes"), np.array([0, 1]), np.array([-1, 1]), scores, (("a, b", "\n"), ("yes", "y"))
    )
    content = answers.to_csv()
    assert content.startswith(b"item,gold,predicted,no,yes,generated")
    back = parse_labels(content, ["no", "yes"], "file")
    assert back.generated == answers.generated and back.predicted.tolist() == [-1, 1]
    np.testing.assert_array_equal(back.scores, scores)
    assert back.without_answer == 0.5 and back.to_csv() == content
    scored = replace(answers, generated=())
    assert scored.without_answer is None and b"generated" not in scored.to_csv()
    with pytest.raises(InputError, match="a row that is not a prediction"):
        parse_labels(content.replace(b'"[""yes"", ""y""]"', b"yes"), ["no", "yes"], "file")
