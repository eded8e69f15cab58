"""scripts/predict.py, as a user runs it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from research.common.config import build
from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.calibration import pooled_label_scores
from research.evaluation.predictor import AdaptedWeights
from research.models.backbone import load_backbone, load_tokenizer
from research.records.store import RunStore
from research.runtime.devices import Devices
from research.serving.adapter_spec import AdapterSpec
from research.serving.service import Service
from research.tasks.encoding.shared_prefix import share_prefix
from research.tasks.example import Example
from scripts.predict import Progress, read_requests
from tests import films
from tests.tiny import predictor

TEXTS = {"template": "{text}\nIt was", "verbalizer": {"0": "dull", "1": "warm", "2": "a film"}}
SEVERAL = {"verbalizer": {"0": ["dull", "a grim film"], "1": "warm"}, "normalisation": "tokens"}


def scores(answers, name) -> np.ndarray:
    """[I, C] of the answers by one adapter."""
    return np.array([list(a["scores"].values()) for a in answers if a["adapter"] == name])


def alone(folder, entry, texts) -> np.ndarray:
    """[I, C] scores by one adapter, through the scorer and the readout of sweeps."""
    backbone = load_backbone(str(folder / "backbone"))
    tokenizer = load_tokenizer(backbone.name, backbone.model)
    entry = build(AdapterSpec, entry, "entry")
    (methods, leaves, _, _), row_format, _ = entry.served(backbone, tokenizer)
    encoder = row_format.encoder
    encoded = encoder.examples([Example({"text": text}, encoder.labels[0]) for text in texts])
    # A decoder predicts the target from an id of the row, as in a run.
    prefix, [encoded] = share_prefix([encoded], encoder.special_tokens.prefix_ids, 0, least=1)
    weights = AdaptedWeights(methods, {**backbone.params, **leaves})
    texts = encoder.texts()
    prompts = EncodedPrompts(encoded, prompt_frame(prefix))
    found = predictor(backbone.model).scores(weights, prompts, texts.targets)
    return pooled_label_scores(found, texts, entry.normalisation)


def test_rows_are_answered_in_order_and_those_after_a_wrong_one_too(folder, tmp_path, run):
    adapters = {"peft": {"adapter": str(folder / "peft"), **TEXTS}, "plain": TEXTS | SEVERAL}
    texts = [text for text, _ in films.films(40, 45)]
    lines = [json.dumps({"adapter": name, "text": text}) for text in texts for name in adapters]
    code, answers, said = run(adapters, [*lines, "", '{"adapter": "plane"}', lines[0]])
    assert code == 2
    reason = "line 12.adapter is 'plane': did you mean 'plain'? allowed are peft, plain."
    assert said == f"error: 1 of 12 rows are not answered; the first: {reason}\n"
    assert answers.pop(10) == {"line": 12, "error": reason}
    last = answers.pop()
    assert last == answers[0]
    assert [answer["adapter"] for answer in answers] == ["peft", "plain"] * len(texts)
    found = scores(answers, "peft")
    np.testing.assert_allclose(found, alone(folder, adapters["peft"], texts), rtol=0, atol=1e-5)
    several, one = scores(answers, "plain"), alone(folder, TEXTS, texts)[:, :2]
    expected = alone(folder, adapters["plain"], texts)
    np.testing.assert_allclose(several, expected, rtol=0, atol=1e-5)
    assert np.abs(several - one).max() > 1 and np.abs(found[:, :2] - one).max() > 1e-2
    for answer in answers:
        assert answer["scores"][answer["label"]] == max(answer["scores"].values())
    (tmp_path / "rows.jsonl").write_text("\n".join(["{", *lines]))
    code, answers, said = run({"plain": TEXTS}, [], "--rows", tmp_path / "rows.jsonl")
    assert code == 2 and said.startswith("error: 6 of 11 rows are not answered; the first: line 1")
    assert [answer.get("line", 0) for answer in answers] == [1, 2, 0, 4, 0, 6, 0, 8, 0, 10, 0]


def test_values_are_read_as_in_a_file_of_training(folder, run):
    rows = ['"text": 5.10', '"text": "5.10"', '"text": true', '"text": "true", "id": 1, "x": null']
    lines = [f'{{"adapter": "plain", {row}}}' for row in [*rows, '"text": null', '"text": "a"']]
    code, answers, said = run({"plain": TEXTS}, lines)
    assert code == 2 and len(answers) == 6
    assert answers[0] == answers[1] != answers[2] == answers[3]
    assert answers[4]["error"] == (
        "line 5.column is 'text': a text or a number is expected, and the row has None there."
    )
    assert said == f"error: 1 of 6 rows are not answered; the first: {answers[4]['error']}\n"


@pytest.mark.parametrize("bos", ["tokenizer", "never"])
def test_an_empty_prompt_is_answered_as_in_a_sweep(bos, folder, run):
    adapters = {
        "peft": {"adapter": str(folder / "peft"), **TEXTS, "template": "{text}", "bos": bos},
        "plain": {**TEXTS, "template": "{text}", "bos": bos},
    }
    texts = ["", "a dull film", "  "]
    lines = [json.dumps({"adapter": name, "text": text}) for text in texts for name in adapters]
    code, answers, said = run(adapters, lines)
    assert (code, said, len(answers)) == (0, "", 6)
    for name, entry in adapters.items():
        served, expected = scores(answers, name), alone(folder, entry, ["", "a dull film", ""])
        np.testing.assert_allclose(served, expected, rtol=0, atol=1e-5)
        assert np.abs(served[0] - served[1]).max() > 1e-3


def test_long_rows_are_answered_in_batches_of_fewer(folder, run, monkeypatch):
    lines = [json.dumps({"adapter": "plain", "text": f"film {i} {'a ' * i}"}) for i in range(9)]
    _, expected, _ = run({"plain": TEXTS}, lines)
    monkeypatch.setattr("research.evaluation.batch.MOST_TOKENS", 64)
    sizes = []
    rows = Service._rows

    def noting(self, requests, size):
        sizes.append(len(requests))
        return rows(self, requests, size)

    monkeypatch.setattr(Service, "_rows", noting)
    _, answers, _ = run({"plain": TEXTS}, lines)
    assert len(sizes) > 1 and sum(sizes) == 9 and max(sizes) < 9
    np.testing.assert_allclose(
        scores(answers, "plain"), scores(expected, "plain"), rtol=0, atol=1e-5
    )


def test_long_inputs_report_progress(folder, tmp_path, run, monkeypatch):
    """After whole batches."""
    monkeypatch.setattr("scripts.predict.PROGRESS_SECONDS", 0.0)
    lines = [json.dumps({"adapter": "plain", "text": f"film {i}"}) for i in range(20)]
    code, answers, said = run({"plain": TEXTS}, lines, "--batch_size", "8")
    assert code == 0 and len(answers) == 20
    shown = [line.partition(" in ")[0] for line in said.splitlines()]
    assert shown == ["8 rows answered", "16 rows answered"]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    *_, said = run({"plain": TEXTS}, [], "--rows", tmp_path / "rows.jsonl", "--batch_size", "8")
    assert said.splitlines()[1].startswith("16 of 20 rows answered in ")
    assert said.splitlines()[1].endswith(" s left")


def test_seconds_of_compiling_are_not_expected_again(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("scripts.predict.time", SimpleNamespace(monotonic=lambda: now[0]))
    progress = Progress(total=960)
    for count, seconds in ((32, 40.0), (64, 45.0), (96, 50.0), (128, 55.0)):
        now[0] = seconds
        progress.report(count)
    assert capsys.readouterr().err.splitlines() == [
        "32 of 960 rows answered in 40 s, about 1160 s left",
        "96 of 960 rows answered in 50 s, about 135 s left",
    ]


def test_on_a_terminal_a_line_is_replaced_every_second(folder, tmp_path, run, monkeypatch):
    """Unless the answers are shown there."""
    monkeypatch.setattr("scripts.predict.TERMINAL_SECONDS", 0.0)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    lines = [json.dumps({"adapter": "plain", "text": f"film {i}"}) for i in range(24)]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    options = ["--rows", tmp_path / "rows.jsonl", "--batch_size", "8"]
    code, answers, said = run({"plain": TEXTS}, [], *options)
    assert code == 0 and len(answers) == 24 and "\n" not in said
    *shown, last = said.split("\r\033[K")[1:]
    assert len(shown) == 3 and shown[0].startswith("8 of 24 rows answered in ") and last == ""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run({"plain": TEXTS}, [], *options)[2] == ""


@pytest.mark.thorough
def test_runs_and_prompts_answer_beside_one_another(folder, tmp_path, run):
    config = films.settings(folder)
    config |= {"seeds": 1, "search_seeds": 1, "keep_trained": True}
    wording = {"verbalizer": {"bad": ["bad", "a mess"], "good": "good"}}
    config["task"] |= wording
    read = {"normalisation": "bytes", "trials": [{"learning_rate": 1.0}]}
    config["approaches"] = [{**config["approaches"][2], **read}]
    results = films.run(config, tmp_path / "results")
    store = RunStore(results)
    id = next(record.run_id for record in store.all() if record.approach == "LoRA")
    np.save(tmp_path / "prompt.npy", np.full((4, 16), 0.5, np.float32))
    prompt = {"adapter": str(tmp_path / "prompt.npy"), **TEXTS, "template": "Film: {text}"}
    adapters = {"films": {"results": str(results), "run": id}, "prompt": prompt}
    texts = [text for text, _ in films.films(40, 48)]
    lines = [json.dumps({"adapter": name, "text": text}) for text in texts for name in adapters]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    given = ["--rows", tmp_path / "rows.jsonl", "--batch_size", "8"]
    code, answers, said = run(adapters, [], *given)
    assert (code, said, len(answers)) == (0, "", len(lines))
    expected = alone(folder, prompt, texts)
    np.testing.assert_allclose(scores(answers, "prompt"), expected, rtol=0, atol=1e-5)
    stored = store.load(id)[1].scores  # with four decimals
    np.testing.assert_allclose(scores(answers, "films"), stored, rtol=0, atol=1e-4)
    wording |= {"template": "{text}\nVerdict:", "normalisation": "bytes"}
    assert np.abs(alone(folder, wording, texts) - stored).max() > 1e-2


def test_mistakes_in_rows_are_one_sentence(folder):
    backbone = load_backbone(str(folder / "backbone"))
    tokenizer = load_tokenizer(backbone.name, backbone.model)
    served = {"plain": AdapterSpec(**TEXTS).served(backbone, tokenizer)}
    service = Service(backbone.model, backbone.params, served, devices=Devices(count=1))
    for expected, line in {
        "row is b'{': it is no JSON": b"{",
        "it names no adapter": b'{"text": "a"}',
        "line 1.row is ['a']: an object such as": b'["a"]',
        "column is 'text': the row lacks it": b'{"adapter": "plain", "body": "a"}',
        "prompts are longer than": json.dumps({"adapter": "plain", "text": "a " * 90}).encode(),
        "codec can't decode": b'{"adapter": "plain", "text": "\xff"}',
        "names 'text' twice": b'{"adapter": "plain", "text": "a", "text": "b"}',
        "half of a surrogate pair": b'{"adapter": "plain", "text": "\\ud800"}',
        "too many values within": b"[" * 100_000,
    }.items():
        [refusal] = read_requests([line], service)
        assert refusal.line == 1 and refusal.error.startswith("line 1.")
        assert expected in refusal.error


def test_mistakes_in_the_list_of_adapters_are_one_sentence(folder, tmp_path, run):
    for expected, adapters in {
        "at least one adapter": {},
        "not a field here; did you mean 'adapter'": {"a": {"adaptor": "x", **TEXTS}},
        "adapters['a'].template is None: the wording is not known": {
            "a": {"adapter": str(folder / "peft")}
        },
        "it has no adapter_config.json": {"a": {"adapter": str(tmp_path), **TEXTS}},
        "has no such run": {"a": {"results": str(tmp_path), "run": "x"}},
        "`results` and `run` come together": {"a": {"run": "x"}},
        "adapters['a'].end is '.': a run has its own": {"a": {"end": "."}},
        "at least two labels": {"a": {**TEXTS, "verbalizer": {"0": "one"}}},
        "it names no column": {"a": {**TEXTS, "template": "Text:"}},
    }.items():
        code, answers, said = run(adapters, [])
        assert code == 2 and answers == [] and said.startswith("error: "), said
        assert expected in said and len(said.strip().splitlines()) == 1, said
    code, _, said = run({"a": TEXTS}, [], "--batch_size", "0")
    assert code == 2 and "--batch_size is 0" in said
