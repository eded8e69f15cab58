"""scripts/predict.py, as a user runs it."""

import io
import json

import jax
import numpy as np
import pytest

from research.devices import Devices
from research.evaluation.predict import predict
from research.evaluation.service import Service
from research.interop.peft import save_adapter
from research.methods.lora import LoRA
from research.models.backbone import load_backbone, load_tokenizer
from research.sweeps.entry import Entry
from research.sweeps.ledger import Ledger
from research.tasks.task import Example
from scripts.predict import main, rows
from tests import films
from tests.tiny import with_method

TEXTS = {"template": "{text}\nIt was", "verbalizer": {"0": "dull", "1": "warm", "2": "a film"}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A backbone, and an adapter of PEFT."""
    made = films.write_inputs(tmp_path_factory.mktemp("films"))
    backbone = load_backbone(str(made / "backbone"))
    leaves = with_method(LoRA(3), backbone.params)
    save_adapter(made / "peft", backbone.name, backbone.model, [LoRA(3)], leaves)
    return made


@pytest.fixture
def run(folder, tmp_path, capsys, monkeypatch):
    """`run(adapters, lines, *arguments)`: (exit code, answers, what it says on standard error)."""

    def run(adapters, lines, *arguments):
        listed = tmp_path / "adapters.json"
        listed.write_text(json.dumps(adapters))
        written = "".join(f"{line}\n" for line in lines).encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(written)))
        given = ["--backbone", folder / "backbone", "--adapters", listed, *arguments]
        try:
            code = main(list(map(str, given)))
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, [json.loads(line) for line in said.out.splitlines()], said.err

    return run


def alone(folder, entry, texts) -> np.ndarray:
    """[I, C] scores by one adapter, through the scorer of sweeps."""
    backbone = load_backbone(str(folder / "backbone"))
    tokenizer = load_tokenizer(backbone.name, backbone.model)
    (methods, leaves, frame, labels), encoder = Entry(**entry).served(backbone, tokenizer, "error")
    encoded = encoder.examples([Example({"text": text}, encoder.labels[0]) for text in texts])
    how = dict(devices=Devices(count=1), dtype=jax.numpy.float32)
    leaves = {**backbone.params, **leaves}
    return predict(backbone.model, methods, leaves, encoded, frame, labels, **how).scores


def test_a_run_an_adapter_and_the_backbone_answer_in_one_stream(folder, tmp_path, run):
    config = films.settings(folder)
    config |= {"seeds": 1, "search_seeds": 1, "keep_trained": True}
    config["approaches"] = [{**config["approaches"][2], "trials": [{"learning_rate": 1.0}]}]
    results = films.run(config, tmp_path / "results")
    ledger = Ledger(results)
    id = next(record["run_id"] for record in ledger.all() if record["approach"] == "LoRA")
    others = {"peft": {"adapter": str(folder / "peft"), **TEXTS}, "plain": TEXTS}
    adapters = {"films": {"results": str(results), "run": id}, **others}
    texts = [text for text, _ in films.films(40, 48)]
    lines = [json.dumps({"adapter": name, "text": text}) for text in texts for name in adapters]
    code, answers, said = run(adapters, [*lines, ""], "--batch-size", "8")
    assert (code, said) == (0, "")
    assert [answer["adapter"] for answer in answers] == list(adapters) * len(texts)
    found = {
        name: np.array([list(a["scores"].values()) for a in answers if a["adapter"] == name])
        for name in adapters
    }
    for name, entry in others.items():
        expected = alone(folder, entry, texts)
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5, err_msg=name)
    _, predictions = ledger.load(id)
    stored = predictions.scores  # with four decimals
    np.testing.assert_allclose(found["films"], stored, rtol=0, atol=1e-4)
    wording = {"template": "{text}\nVerdict:", "verbalizer": {"bad": "bad", "good": "good"}}
    assert np.abs(alone(folder, wording, texts) - stored).max() > 1e-2
    for answer in answers:
        assert answer["scores"][answer["label"]] == max(answer["scores"].values())
        assert len(answer["scores"]) == (2 if answer["adapter"] == "films" else 3)


def test_a_wrong_row_ends_a_stream_and_stops_a_file(tmp_path, run):
    good, wrong = json.dumps({"adapter": "plain", "text": "a film"}), '{"adapter": "plane"}'
    code, answers, said = run({"plain": TEXTS}, [good, good, wrong, good])
    assert code == 2 and len(answers) == 2
    assert said == ("error: line 3.adapter is 'plane': did you mean 'plain'? allowed are plain.\n")
    (tmp_path / "rows.jsonl").write_text(f"{good}\n\n{wrong}\n")
    code, answers, said = run({"plain": TEXTS}, [], "--rows", tmp_path / "rows.jsonl")
    assert code == 2 and answers == [] and said.startswith("error: line 3.adapter is 'plane'")


def test_mistakes_in_rows_are_one_sentence(folder):
    backbone = load_backbone(str(folder / "backbone"))
    tokenizer = load_tokenizer(backbone.name, backbone.model)
    served = {"plain": Entry(**TEXTS).served(backbone, tokenizer, "error")}
    how = dict(devices=Devices(count=1), dtype=jax.numpy.float32)
    service = Service(backbone.model, backbone.params, served, **how)
    for expected, line in {
        "row is b'{': it is no JSON": b"{",
        "it names no adapter": b'{"text": "a"}',
        "all values are texts": b'{"adapter": "plain", "text": 3}',
        "no column 'text'": b'{"adapter": "plain", "body": "a"}',
        "prompts are longer than": json.dumps({"adapter": "plain", "text": "a " * 90}).encode(),
        "codec can't decode": b'{"adapter": "plain", "text": "\xff"}',
    }.items():
        with pytest.raises(ValueError, match="^line 1.") as raised:
            list(rows([line], service))
        assert expected in str(raised.value)


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
        "at least two labels": {"a": {**TEXTS, "verbalizer": {"0": "one"}}},
        "it names no column": {"a": {**TEXTS, "template": "Text:"}},
    }.items():
        code, answers, said = run(adapters, [])
        assert code == 2 and answers == [] and said.startswith("error: "), said
        assert expected in said and len(said.strip().splitlines()) == 1, said
    code, _, said = run({"a": TEXTS}, [], "--batch-size", "0")
    assert code == 2 and "--batch-size is 0" in said
