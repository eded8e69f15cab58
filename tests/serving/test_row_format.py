"""Every setting that shapes a row: serving encodes and scores as the sweep did."""

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from research.common.errors import InputError
from research.evaluation.scoring import route_of
from research.experiments.cells import cells
from research.experiments.experiment import Experiment
from research.experiments.plan import Run
from research.experiments.prompt import ANSWERING, LAYOUT, PROMPT, Prompt
from research.experiments.stage_sequence import methods_after
from research.models.backbone import load_backbone, load_tokenizer
from research.records.store import RunStore
from research.records.weights import unserved
from research.runs.data import RunData
from research.runs.encode_data import run_data
from research.runs.room import room
from research.tasks.datasets.file_task import FileTask
from research.tasks.datasets.tables import read_file
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.row_format import RowFormat
from tests import films

COLUMNS = ("text", "note", "label", "kind", "other words")
ROWS = [
    (f"  {text} {'and more ' * (i % 3)}", f" {i} ", ("0.0", "1.0")[i % 2], "ab"[i % 2], f"so {i}")
    for i, (text, _) in enumerate(films.films(0, 48))
]
# A value of each field of a task other than its default; None: the hub is needed, where a
# column comes with a table like that of a file.
TASK: dict[str, Any] = {
    "name": "others",
    "train": "train.tsv",
    "test": "test.tsv",
    "dev": "dev.csv",
    "ood": "dev.csv",
    "path": None,
    "config_name": None,
    "text": ("text", "note"),
    "templates": ("Film: {text}\nVerdict:",),
    "end": "!",
    "columns": COLUMNS,
    "delimiter": ";",
    "quoting": False,
    "strip": False,
    "empty": "skip",
    "label": "kind",
    "group": "kind",
    "paraphrase": "other words",
    "verbalizer": {"0.0": ["bad", "very bad"], "1.0": "good"},
    "metric": "macro_f1",
}
# Fields of an experiment that shape rows; all others are about training and reports.
EXPERIMENT: dict[str, Any] = {
    "max_tokens": 26,
    "too_long": "cut",
    "precision": "bfloat16",
    "bos": "never",
}
NO_ROW = {
    *("name", "backbone", "backbones", "tasks", "regimes", "approaches", "schedule", "stage_tasks"),
    *("approaches_on", "seeds", "search_seeds", "crossed_seeds", "max_dev", "held_out", "devices"),
    *("workers", "score_train", "keep_trained", "tensorboard", "architecture"),
    *("price_per_hour", "price_per_example"),
}
PROMPTS: dict[str, Any] = {
    "template": 1,
    "demonstrations": 1,
    "choice": "random",
    "draw": 2,
    "normalisation": "tokens",
    "target_end": False,
    "prior": "content_free",
    "ensemble": 2,
    "chat": True,
    "system": "You are a critic.",
    "instruction": "Good or bad?",
    "thinking": True,
    "constrained": True,
    "answer_by": "text",
    "rationale": True,
    "samples": 2,
    "temperature": 0.5,
    "max_new_tokens": 9,
}
# A template with a switch for thoughts; its special tokens are those of the films' tokenizer.
CHAT = (
    "{{ bos_token }}{% for m in messages %}{{ m.role + ':\\n' + m.content + eos_token + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant:\\n' if enable_thinking else "
    "'assistant:' }}{% endif %}"
)


@pytest.fixture(scope="module")
def backbone(folder):  # noqa: F811
    return load_backbone(str(folder / "backbone"))


@pytest.fixture(scope="module")
def tokenizer(backbone):
    loaded = load_tokenizer(backbone.name, backbone.model)
    loaded.chat_template = CHAT
    return loaded


def write(tmp_path, task: dict[str, Any]) -> None:
    """The files that a task names, in their formats."""
    splits = {"train": ROWS[:40], "test": ROWS[40:], "dev": ROWS[20:40], "ood": ROWS[:8]}
    header = [] if "columns" in task else [COLUMNS]
    for split, rows in splits.items():
        if split in task:
            file = tmp_path / task[split]
            mark = task.get("delimiter") or {".csv": ",", ".tsv": "\t"}[file.suffix]
            file.write_text("".join(mark.join(row) + "\n" for row in [*header, *rows]))
            task[split] = str(file)


@pytest.fixture
def make(tmp_path, backbone, tokenizer):
    """`make(experiment, task, row)`: (run, its data, rows of its test file as they are written)."""

    def make(experiment, task, row) -> tuple[Run, RunData, list[dict[str, object]]]:
        task = {"source": "file", "name": "films", "train": "a.csv", "test": "b.csv"} | task
        write(tmp_path, task)
        config = films.settings(tmp_path) | {"max_tokens": 48, "too_long": "cut"} | experiment
        config |= {"task": task, "backbone": backbone.name, "regimes": ("2-shot",), "max_dev": 4}
        lora = {"method": {"name": "lora", "rank": 2}}
        config["approaches"] = [{"name": "LoRA", "stages": [lora], **row}]
        parsed = Experiment.parse(config)
        [settings] = parsed.tasks
        planned = cells(parsed, {settings.name: settings.load()}, backbone.checksum)
        [cell] = [cell for cell in planned if cell.approach.name == "LoRA"]
        made = Run(cell, {"learning_rate": 0.1} if cell.approach.stages else {}, 0)
        left = room(backbone.context, 0, parsed.max_tokens)
        route = route_of(backbone.model, methods_after(made.approach.stages))
        data = run_data(made, tokenizer, left, route)
        options = (settings.columns, settings.delimiter, settings.quoting)
        return made, data, [dict(row) for row in read_file(settings.test, *options).rows]

    return make


def check(data: RunData, rows: list[dict[str, object]], tokenizer) -> RowFormat:
    """Serving encodes the rows as the sweep did, by the format in the file of a run."""
    stored = json.loads(json.dumps(data.row_format.to_json()))
    served = RowFormat.from_json(stored, tokenizer, "format")
    assert served == data.row_format
    encoder, shared = served.encoder, len(data.frame.prefix_ids[: data.frame.prefix_length])
    np.testing.assert_array_equal(encoder.suffix_ids, data.frame.suffix_ids)
    for index, row in enumerate(rows):
        # As a request in JSON, where a number may stand for a text.
        mine = served.encoded(json.loads(json.dumps(row)))
        length = data.test.prompt_length[index]
        ids = [*served.prefix_ids, *mine.tokens[0, : mine.prompt_length[0]]]
        assert ids[:shared] == data.frame.prefix_ids[:shared].tolist()
        assert ids[shared:] == data.test.tokens[index, :length].tolist()
    return served


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(FileTask)])
def test_rows_are_encoded_alike_with_every_setting_of_a_task(name, make, tokenizer):
    assert name in TASK, "a new setting of a task: give it a value here"
    if TASK[name] is None:
        return
    task = {name: TASK[name]}
    if name == "quoting":
        task["templates"] = ("{text}\nSo",)
    if name == "label":
        task["verbalizer"] = {"a": "good", "b": "bad"}
    _, data, rows = make({}, task, {})
    assert len(rows) == len(data.test.length) == 8 and data.test.cut == 0
    check(data, rows, tokenizer)


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Experiment)])
def test_rows_are_encoded_alike_with_every_setting_of_an_experiment(name, make, tokenizer):
    assert (name in EXPERIMENT) != (name in NO_ROW), "a new setting: say whether it shapes rows"
    if name in EXPERIMENT:
        _, data, rows = make({name: EXPERIMENT[name]}, {}, {})
        _, plain, _ = make({}, {}, {})
        served = check(data, rows, tokenizer)
        assert served != plain.row_format or name == "too_long"
        assert (data.test.cut > 0) == (name == "max_tokens")


@pytest.mark.parametrize("name", PROMPT)
def test_rows_are_encoded_alike_with_every_setting_of_a_prompt_or_are_refused(
    name, make, tokenizer
):
    assert name in PROMPTS, "a new setting of a prompt: give it a value here"
    assert PROMPTS[name] != getattr(Prompt(), name)
    row = {"demonstrations": 1} if name in ("choice", "draw") else {}
    if name == "ensemble":
        row = {"stages": ()}
    if name in (*ANSWERING, "constrained") and name != "answer_by":
        with pytest.raises(InputError, match=f"^{name} is .*(asks for none|not answered by gen)"):
            make({}, {}, {name: PROMPTS[name]})
        return
    if name in ("system", "thinking"):
        row = {"chat": True}
    experiment = {"max_tokens": 60} if name in LAYOUT else {}
    made, data, rows = make(experiment, {}, row | {name: PROMPTS[name]})
    if name in ("prior", "ensemble", "answer_by"):
        assert f"setting {name} = {PROMPTS[name]!r}" in str(unserved(made))
    else:
        assert unserved(made) is None
        check(data, rows, tokenizer)


def test_demonstrations_of_each_row_are_not_served(make):
    made, _, _ = make({}, {}, {"demonstrations": 1, "choice": "nearest"})
    assert unserved(made) == (
        "its prompts have the setting choice = 'nearest', which is not served"
    )


def test_all_settings_of_an_encoder_are_stored(make):
    _, data, _ = make({}, {}, {})
    stored = data.row_format.to_json()
    names = {field.name for field in dataclasses.fields(Encoder)} - {"tokenizer"}
    assert stored["encoder"].keys() == names
    others = {field.name for field in dataclasses.fields(RowFormat)} - {"encoder"}
    assert stored.keys() - {"encoder"} == others


def test_a_damaged_format_is_one_sentence(make, tokenizer):
    _, data, _ = make({}, {}, {})
    stored = data.row_format.to_json()
    for damaged in ({}, {**stored, "x": 1}, {**stored, "encoder": {"room": "1"}}):
        with pytest.raises(InputError, match="^file.*is "):
            RowFormat.from_json(damaged, tokenizer, "file")


def test_a_run_is_served_as_it_was_tested(folder, tmp_path, run):  # noqa: F811
    """With demonstrations, short rows, white space that counts and a precision of its own."""
    task = {"source": "file", "name": "films", "train": "a.csv", "test": "b.csv", "strip": False}
    write(tmp_path, task)
    config = films.settings(folder) | {"task": task, "seeds": 1, "search_seeds": 1}
    config |= {"keep_trained": True, "max_tokens": 40, "too_long": "cut", "precision": "bfloat16"}
    row = {"demonstrations": 1, "choice": "random", "normalisation": "tokens"}
    config["approaches"] = [config["approaches"][2] | row | {"trials": [{"learning_rate": 1.0}]}]
    results = films.run(config, tmp_path / "results")
    record = next(record for record in RunStore(results).all() if record.approach == "LoRA")
    assert record.notes.cut > 0 and record.notes.demonstrations == 1
    lines = [
        json.dumps({"adapter": "a", "id": i, "none": None, "text": text})
        for i, (text, *_) in enumerate(ROWS[40:])
    ]
    adapters = {"a": {"results": str(results), "run": record.run_id}}
    code, answers, said = run(adapters, lines)
    assert (code, said) == (0, "")
    stored = RunStore(results).load(record.run_id)[1]
    served = np.array([list(answer["scores"].values()) for answer in answers])
    np.testing.assert_allclose(served, stored.scores, rtol=0, atol=2e-2)
    assert [answer["label"] for answer in answers] == [
        record.labels[index] for index in stored.predicted
    ]
    plain = {"template": "{text}\nVerdict:", "verbalizer": {"good": "good", "bad": "bad"}}
    code, _, said = run({**adapters, "plain": plain}, lines)
    assert code == 2 and "precision of 'plain' is 'float32': 'a' is in bfloat16" in said
