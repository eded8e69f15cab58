"""GSM8K and MetaMathQA: their solutions in parts, their published sizes, and their configs."""

import importlib
import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.records.predictions.texts import TextPredictions
from research.records.store import RunStore
from research.sweeps.dry_run.dry_run import plan_only
from research.tasks import TASKS
from research.tasks.metrics.number import number_in
from research.tasks.text_task import TextTask
from tests import films
from tests.shrunk_configs import config_of, shrunk
from tests.thorough import cases

SOLUTION = "Half is 24/2=<<24/2=12>>12.\n\nTogether 24+12=<<24+12=36>>36.\n#### 36"


def write_solutions(folder: Path, **counts: int) -> None:
    """Files in GSM8K's format, each split with problems of its own."""
    begin = 0
    for split, count in counts.items():
        rows = [
            {"question": f"What is {i} + 1?", "answer": f"It is {i}+1={i + 1}.\n#### {i + 1:,}"}
            for i in range(begin, begin + count)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        begin += count


def loaded(tmp_path: Path, answer: str = SOLUTION, **fields: Any) -> TextTask:
    write_solutions(tmp_path, train=4, test=2)
    row = {"question": " Who?\n", "answer": answer}
    (tmp_path / "test.jsonl").write_text(json.dumps(row))
    task = TASKS["gsm8k"](folder=str(tmp_path), **fields).load()
    assert isinstance(task, TextTask)
    return task


def test_a_solution_is_a_rationale_and_an_answer(tmp_path: Path):
    [example] = loaded(tmp_path).test
    assert example.fields == {"question": "Who?"} and example.references == ("#### 36",)
    assert example.rationales == ("Half is 24/2=<<24/2=12>>12.\nTogether 24+12=<<24+12=36>>36.",)
    [example] = loaded(tmp_path, calculations=False).test
    assert example.rationales == ("Half is 24/2=12.\nTogether 24+12=36.",)
    task = loaded(tmp_path)
    assert task.with_rationale(example).label.endswith("Together 24+12=36.\n#### 36")
    assert task.parser.parse("#### 5\n#### $36 in all").answer == "$36 in all"


@pytest.mark.parametrize("answer", ["36", "#### 36", "so it is ####", " \n#### 36"])
def test_a_solution_in_another_format(tmp_path: Path, answer: str):
    with pytest.raises(InputError, match="answer in .*test.jsonl is .*: a solution, ####"):
        loaded(tmp_path, answer)


def test_gsm8k(shared: Path):
    """The published sizes; every answer as `extract_answer` of grade-school-math's dataset.py."""
    folder = shared / "data/gsm8k"
    task = TASKS["gsm8k"](folder=str(folder)).load()
    assert isinstance(task, TextTask)
    assert (len(task.train), len(task.test), task.pools.dropped) == (7473, 1319, 0)
    rows = [json.loads(line) for line in (folder / "test.jsonl").read_text().splitlines()]
    for row, example in zip(rows, task.test, strict=True):
        official = re.search(r"#### (\-?[0-9\.\,]+)", row["answer"])
        assert official is not None
        expected = Fraction(official[1].replace(",", ""))
        assert number_in(task.parser.parse(example.label).answer or "") == expected
        assert task.with_rationale(example).label.split() == row["answer"].split()
    assert len(TASKS["gsm8k"](folder=str(folder), most_test=5).load().test) == 5


def write_metamathqa(folder: Path, count: int) -> str:
    """A file in MetaMathQA's format; every third response is too long, or has no answer."""
    rows = [
        {
            "type": "GSM_Rephrased",
            "query": f"What comes after {i}?",
            "response": f"It is {i + 1}." + ("", f"\nThe answer is: {i + 1}", "a" * 1300)[i % 3],
        }
        for i in range(count)
    ]
    (folder / "metamathqa.json").write_text(json.dumps(rows))
    return str(folder / "metamathqa.json")


def test_metamathqa(tmp_path: Path):
    write_solutions(tmp_path, train=6, test=3)
    settings = TASKS["metamathqa"](
        train=write_metamathqa(tmp_path, 9), gsm8k=str(tmp_path), most_dev=4
    )
    task = settings.load()
    assert isinstance(task, TextTask) and settings.outline() is None
    assert [e.label for e in task.train] == [
        f"It is {i + 1}.\nThe answer is: {i + 1}" for i in (1, 4, 7)
    ]
    assert (len(task.dev), len(task.test)) == (4, 3)
    scored = task.judged(
        ["... The answer is: 8.0", "The final answer is 8 eggs.\nNext", "#### 8", "8"],
        [("7+1\n#### 8",)] * 4,
    )
    assert list(scored.items["number"]) == [1, 1, 1, 0]


# `parse_answer` of PEFT's method_comparison/MetaMathQA/utils.py takes these from the texts.
@pytest.mark.parametrize(
    "text, answer",
    [
        ("equal to $4^2 = \\boxed{16}$.The answer is: 16", "16"),
        ("The answer is: 16.\n\nQuestion: another", "16."),
        ("The answer is 5. No, the answer. The answer is 6", "6"),
        ("The final answer is: 1/2", "1/2"),
        ("#### 7", "7"),
        ("16", None),
    ],
)
def test_answers_are_found_where_peft_finds_them(tmp_path: Path, text: str, answer: str | None):
    write_solutions(tmp_path, train=2, test=2)
    train = write_metamathqa(tmp_path, 3)
    task = TASKS["metamathqa"](train=train, gsm8k=str(tmp_path)).load()
    assert isinstance(task, TextTask) and task.parser.parse(text).answer == answer


@pytest.mark.thorough
def test_the_rows_of_gsm8k(tmp_path: Path):
    write_solutions(tmp_path, train=12, test=3)
    config = shrunk(config_of("gsm8k"), tmp_path)
    config["task"] |= {"folder": str(tmp_path), "most_test": 2}
    plan = plan_only(Experiment.parse(config), tmp_path / "nowhere")
    rows = [row["name"] for row in config["approaches"]]
    assert [row.approach for row in plan.rows[: len(rows)]] == rows
    config["approaches"] = [
        row | {"demonstrations": min(1, row.get("demonstrations", 0))}
        for row in config["approaches"]
    ]
    store = RunStore(films.run(config, tmp_path / "results"))
    tested = {record.approach: record for record in store.all() if record.tested}
    assert set(rows) <= tested.keys()
    for name in rows:
        _, predictions = store.load(tested[name].run_id)
        assert isinstance(predictions, TextPredictions)
        samples = 8 if "vote" in name else 1
        assert [len(texts) for texts in predictions.generated] == [samples] * 2
        assert tested[name].settings["approach"].get("rationale", False) == ("rationale" in name)
    assert "Without an answer" in (tmp_path / "results/table.md").read_text()


@pytest.mark.parametrize("argument, trials", [("published", 1), ("tuned", 3)])
def test_the_plan_of_the_comparison_of_peft(argument: str, trials: int):
    """Neither weights nor data are fetched."""
    config = config_of("peft_metamathqa", argument)
    plan = plan_only(Experiment.parse(config), Path("nowhere"), device="A100")
    assert plan.parameters == 3_212_749_824
    assert {row.runs for row in plan.rows if row.sizes and row.approach != "zero-shot prompt"} == {
        trials - 1 + 5
    }


def test_the_comparison_has_the_recipe_of_peft(shared: Path):
    """Trained parameters, rates, ranks and scales of every row, and the common recipe."""
    published = json.loads((shared / "published/hf_peft_metamathqa.json").read_text())
    [table], [recipe] = published["tables"], published["recipes"]
    named = {row[0]: dict(zip(table["columns"], row, strict=True)) for row in table["rows"]}
    config, module = (
        config_of("peft_metamathqa"),
        importlib.import_module("configs.peft_metamathqa"),
    )
    plan = plan_only(Experiment.parse(config), Path("nowhere"), device="A100")
    sizes = {row.approach: [size.trained for size in row.sizes] for row in plan.rows}
    for name, (folder, method, rate, decay) in module.ROWS.items():
        row = named[folder]
        assert sizes[name] == [row["params"]], name
        assert rate == row["lr"] and decay == (row["wd"] or 0.01)
        if method["name"] in ("lora", "dora", "lora_fa"):
            assert (method["rank"], method["alpha"]) == (row["r"], row["alpha"])
        if row["nvt"] is not None:
            assert method["length"] == row["nvt"]
        assert row["steps"] == config["schedule"]["steps"] == recipe["steps"]
    schedule = config["schedule"]
    assert (schedule["batch_size"], schedule["clip"]) == (recipe["batch"], recipe["clip"])
    assert (schedule["decay"], schedule["eval_every"]) == (recipe["schedule"], recipe["eval_every"])
    assert (config["max_tokens"], config["backbone"]) == (recipe["max_len"], recipe["model"])
    assert config["task"]["decoding"]["max_new_tokens"] == recipe["gen"]["max_new_tokens"]
    [template], published_template = config["task"]["templates"], recipe["template"]
    assert template.replace("{question}", "{query}") == published_template.replace("\\n", "\n")
    doc = module.__doc__
    for name, score in re.findall(r"(\bLoRA|rsLoRA|DoRA|IA3|VeRA|full fine-tuning) (\d+\.\d)", doc):
        rows = [row for row in module.ROWS if row.startswith(name)]
        scores = [f"{100 * named[module.ROWS[row][0]]['test_acc']:.1f}" for row in rows]
        assert score in scores, name


ROWS = tuple(config_of("peft_metamathqa")["approaches"])


@pytest.mark.parametrize(
    "row",
    cases([row["name"] for row in ROWS], {"LoRA on the MLP, rank 10", "prompt tuning, 200 tokens"}),
)
def test_the_rows_of_the_comparison_of_peft(row: str, tmp_path: Path):
    write_solutions(tmp_path, train=6, test=3)
    config = shrunk(config_of("peft_metamathqa"), tmp_path)
    del config["architecture"]
    config["task"] |= {"train": write_metamathqa(tmp_path, 24), "gsm8k": str(tmp_path)}
    config["approaches"] = [one for one in config["approaches"] if one["name"] == row]
    store = RunStore(films.run(config, tmp_path / "results"))
    [record] = [one for one in store.all() if one.tested and one.approach == row]
    assert record.status == "finished" and "number" in record.metrics["test"]


def test_other_rates_are_refused():
    with pytest.raises(KeyError, match="'best' is no set of rates: .*allowed are published, tuned"):
        config_of("peft_metamathqa", "best")
