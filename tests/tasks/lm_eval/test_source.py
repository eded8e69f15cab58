"""Tasks made of task files and local data."""

import json

import pytest

from research.common.errors import InputError
from research.tasks.choice_task import ChoiceTask
from research.tasks.lm_eval.source import LMEvalTask
from research.tasks.lm_eval.text_task import FilteredTextTask
from research.tasks.text_task import TextTask

ROWS = [
    {"q": f"Is {number} even?", "label": (number + 1) % 2, "even": str(number % 2 == 0)}
    | {"options": [f"{number} a", f"{number} b"], "a": f"It is {number}."}
    for number in range(12)
]
LABELS = """
task: even
dataset_path: hub/numbers
training_split: train
test_split: test
description: "Even {or} odd?\\n"
doc_to_text: "{{q}}\\nAnswer:"
doc_to_target: label
doc_to_choice: ["no", "yes"]
output_type: multiple_choice
metric_list: [{metric: acc}]
metadata: {version: 2}
"""
CHOICES = """
include: even.yaml
task: own
doc_to_choice: options
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
TEXTS = """
include: even.yaml
task: text
output_type: generate_until
doc_to_choice: null
doc_to_target: a
target_delimiter: "\\n"
generation_kwargs: {until: ["\\n\\n", "x"], max_gen_toks: 9}
filter_list:
  - name: strict
    filter: [{function: regex, regex_pattern: "(\\\\d+)"}, {function: take_first}]
  - name: lower
    filter: [{function: lowercase}, {function: take_first}]
metric_list: [{metric: exact_match, regexes_to_ignore: ["It is ", "\\\\."]}]
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = tmp_path / "data"
    data.mkdir()
    for split, rows in (("train", ROWS[:8]), ("test", ROWS[8:])):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (data / f"{split}.jsonl").write_text(lines)
    for name, text in (("even", LABELS), ("own", CHOICES), ("text", TEXTS)):
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


def load(root, name, **settings):
    data = {"hub/numbers": str(root / "data")}
    path = None if "task" in settings else str(root / f"{name}.yaml")
    return LMEvalTask(**{"path": path, "data": data, **settings}).load()


def change(folder, name, **values):
    """Adds keys to a task file, which replace earlier ones."""
    text = (folder / f"{name}.yaml").read_text()
    others = [line for line in text.splitlines() if line.partition(":")[0] not in values]
    lines = [*others, *(f"{key}: {json.dumps(value)}" for key, value in values.items())]
    (folder / f"{name}.yaml").write_text("\n".join(lines) + "\n")


def test_equal_choices_are_labels(folder):
    task = load(folder, "even")
    assert (task.name, task.labels, task.metric) == ("even", ("no", "yes"), "accuracy")
    assert task.verbalizer.target("yes") == " yes\n\n" and task.separator == ""
    assert [template.text for template in task.templates] == ["Even {{or}} odd?\n{prompt}"]
    example = task.test[0]
    assert task.templates[0].fill(example.fields) == "Even {or} odd?\nIs 8 even?\nAnswer:"
    assert example.label == "yes"
    assert (len(task.train), len(task.dev), len(task.test)) == (8, 0, 4)


def test_own_choices_are_a_choice_task(folder):
    task = load(folder, "own")
    assert isinstance(task, ChoiceTask) and task.metric == "acc"
    assert (task.test[0].choices, task.test[0].label) == (("8 a", "8 b"), "8 b")
    assert load(folder, "own", metric="acc_norm").metric == "acc_norm"
    assert isinstance(load(folder, "even", metric="acc_norm"), ChoiceTask)


def test_generated_texts_are_cut_filtered_and_compared(folder):
    task = load(folder, "text")
    assert isinstance(task, FilteredTextTask)
    assert task.test[0].references == ("It is 8.",)
    assert task.verbalizer.target("8") == "\n8\n\n"
    assert task.decoding.max_new_tokens == 9
    references = [("It is 8.",)] * 4
    scored = task.judged(["8 of 9", "It is 8.x 7", "It is x8", " 8."], references)
    assert scored.outputs == ("8", "8", "[invalid]", "8")
    assert scored.items["exact_match"].tolist() == [1, 1, 0, 1]
    assert scored.generated == (("8 of 9",), ("It is 8.x 7",), ("It is x8",), (" 8.",))
    lower = load(folder, "text", filter="lower")
    assert lower.judged(["It IS 8.", "It is 8."], references[:2]).outputs == ("it is 8.",) * 2
    assert lower.checksum != task.checksum
    assert not TextTask.verbatim.fget(task) and task.verbatim


def test_white_space_at_the_end_of_prompts_belongs_to_the_answer(folder):
    change(folder, "even", doc_to_text="{{q}}\nAnswer: ", target_delimiter="")
    task = load(folder, "even")
    assert task.verbalizer.target("no") == " no\n\n"
    assert task.test[0].fields["prompt"].endswith("Answer:")


def test_a_task_is_found_by_its_name(folder):
    assert load(folder, "", task="own", folder=str(folder)).name == "own"
    with pytest.raises(InputError, match="did you mean 'even'"):
        load(folder, "", task="evn", folder=str(folder))


def test_only_the_first_rows_are_evaluated(folder):
    task = load(folder, "even", most_test=2)
    assert [example.fields["prompt"][:4] for example in task.test] == ["Is 8", "Is 9"]


def test_demonstrations_of_the_harness_are_part_of_the_prompt(folder):
    # random.Random(1234).sample(range(8), 2) is 7, 0, and then 0, 7.
    change(folder, "even", fewshot_split="train")
    task = load(folder, "even", num_fewshot=2)
    prompts = [example.fields["prompt"] for example in task.test]
    rows = [[7, 0, 8], [0, 7, 9]]
    answers = {True: "yes", False: "no"}
    for prompt, (first, second, row) in zip(prompts, rows, strict=False):
        assert (
            prompt
            == "".join(f"Is {n} even?\nAnswer: {answers[n % 2 == 0]}\n\n" for n in (first, second))
            + f"Is {row} even?\nAnswer:"
        )


def test_rows_of_test_are_left_out_of_train_whatever_their_demonstrations(folder):
    change(folder, "even", fewshot_split="train")
    path = folder / "data" / "train.jsonl"
    with path.open("a") as file:
        file.write(json.dumps({**ROWS[8], "q": "is 8  even?"}) + "\n")
    assert len(load(folder, "even", num_fewshot=1).train) == 8
    task = load(folder, "even")
    assert (len(task.train), len(task.pools.train)) == (9, 8)


def test_a_row_without_a_right_answer_is_an_error_or_skipped(folder):
    change(folder, "even", doc_to_target="{{q[3:]}}", doc_to_choice=["no", "8 even?"])
    with pytest.raises(InputError, match="doc_to_target of row 1 of train is '0 even"):
        load(folder, "even")
    change(folder, "even", doc_to_target="{{label * 2}}", doc_to_choice=["no", "yes", "maybe"])
    change(folder, "even", doc_to_target="{{3 if '8' in q else label}}")
    with pytest.raises(InputError, match="row 1 of test is 3: an index from 0 to 2"):
        load(folder, "even")
    task = load(folder, "even", invalid="skip")
    assert task.skipped == {"test": (1,)} and len(task.test) == 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"doc_to_text": "{{question}}"}, "row 1 of train is '{{question}}': 'question' is undef"),
        ({"doc_to_choice": []}, "at least two choices are expected"),
        ({"doc_to_choice": ["yes"]}, "at least two choices are expected"),
        ({"doc_to_choice": ["yes", "yes"]}, "row 1 of train is .*choices 0 and 1 are equal"),
        ({"doc_to_choice": ["yes", " "]}, "choice 1 is empty"),
        ({"training_split": None}, "no data to train on, so it can only be prompted"),
        ({"training_split": "test"}, "it is the split that is evaluated"),
        ({"test_split": "exam"}, "the dataset has the splits test, train"),
        ({"test_split": None}, "names neither test nor validation split"),
        ({"output_type": "loglikelihood", "metric_list": None}, "read, but not run"),
        ({"doc_to_image": "q"}, "refused, doc_to_image: the prompt has images"),
        ({"doc_to_text": "{{q}}{{' ' * label}}"}, "others with ' '"),
        ({"metric_list": [{"metric": "f1"}]}, "none of the file's metrics"),
        ({"dataset_path": "missing/data"}, "dataset_path is 'missing/data'"),
    ],
)
def test_bad_files_are_one_sentence(folder, values, message, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    change(folder, "even", **values)
    with pytest.raises(InputError, match=message) as caught:
        load(folder, "even")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"path": None}, "the name of a task, or the path"),
        ({"task": "a"}, "the name of a task, or the path"),
        ({"folder": "a"}, "either folder or path"),
        ({"num_fewshot": -1}, "a whole number from 0"),
        ({"most_test": 0}, "a whole number from 1"),
        ({"path": None, "task": "a", "trust_task_code": True}, "set folder or path"),
    ],
)
def test_bad_settings_are_one_sentence(settings, message):
    with pytest.raises(InputError, match=message):
        LMEvalTask(**{"path": "t.yaml", **settings})


def test_a_refused_task_says_how_many_of_its_group_can_be_read(folder):
    change(folder, "own", process_docs="x", tag="numbers")
    text = (
        (folder / "own.yaml")
        .read_text()
        .replace('process_docs: "x"', "process_docs: !function f.g")
    )
    (folder / "own.yaml").write_text(text)
    change(folder, "text", tag="numbers")
    with pytest.raises(
        InputError, match="a function in Python; of the 2 tasks of numbers, 1 can be"
    ):
        load(folder, "", task="own", folder=str(folder))


def test_a_metric_of_the_settings_leaves_others_out(folder):
    entries = "[{metric: acc}, {metric: f1, aggregation: !function metrics.f}]"
    path = folder / "even.yaml"
    path.write_text(path.read_text().replace("[{metric: acc}]", entries))
    with pytest.raises(InputError, match="an aggregation by a function"):
        load(folder, "even")
    assert load(folder, "even", metric="acc").metric == "accuracy"


def test_trusted_functions_of_a_folder_are_run(folder):
    (folder / "code.py").write_text(
        "def few(rows):\n    return rows.filter(lambda row: '1' not in row['q'])\n"
        "def text(row):\n    return row['q'].upper()\n"
    )
    path = folder / "even.yaml"
    lines = [line for line in path.read_text().splitlines() if not line.startswith("doc_to_text")]
    lines += ["process_docs: !function code.few", "doc_to_text: !function code.text"]
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match="refused, process_docs: a function in Python"):
        load(folder, "even")
    task = load(folder, "even", trust_task_code=True)
    assert [example.fields["prompt"] for example in task.test] == ["IS 8 EVEN?", "IS 9 EVEN?"]
    (folder / "code.py").write_text("import nothing_at_all\n")
    with pytest.raises(InputError, match="cannot be imported .ModuleNotFoundError"):
        load(folder, "even", trust_task_code=True)


def test_code_outside_the_folder_is_never_run(folder):
    (folder.parent / "outside.py").write_text("raise SystemExit(3)\n")
    path = folder / "even.yaml"
    path.write_text(path.read_text() + "process_docs: !function ...outside.f\n")
    with pytest.raises(InputError, match="outside the folder|no such file"):
        load(folder, "even", trust_task_code=True)
