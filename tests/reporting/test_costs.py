"""The cost store: what stands in it, and what follows from records of older code."""

import pytest

import scripts.report
from research.experiments.prices import Prices, write_prices
from research.reporting.build import build_tables, check_tables, write_tables
from research.reporting.format import MISSING
from research.reporting.grid.derived_costs import added_params, dev_examples, memory_by_purpose
from research.reporting.grid.grid import read_grid
from research.reporting.tables.costs import cost_tables
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from research.tasks.sampling import Regime, draw
from research.tasks.task import Example, Task
from tests.films import films
from tests.reporting.columns import columns

COSTS = {
    "trained_params": 1000,
    "stored_bytes": 4000,
    "added_params": 1000,
    "request_tokens": 40.4,
    "cache_bytes": 46_541,
    "step_flops": 3.0e8,
    "formula_flops": 1.2e8,
    "train_seconds": 30.0,
    "evaluation_seconds": 5.5,
    "compile_seconds": 0.5,
    "peak_bytes": 10_000_000,
    "memory": {
        "argument_bytes": 2_000_000,
        "output_bytes": 1_000_000,
        "temporary_bytes": 8_000_000,
        "alias_bytes": 1_000_000,
        "optimizer_bytes": 8004,
    },
}


@pytest.fixture
def folder(sweep):
    """LoRA with all that newer code records, one row of the rest."""
    hardware = {"device_count": 2}
    sweep.cell(2, 0, 0, costs=COSTS, notes={"n_dev": 30}, hardware=hardware)
    sweep.cell(4, 0, 0)
    return sweep.folder


def test_all_that_is_known_is_shown(folder):
    kept, training = map(columns, cost_tables(read_grid(folder), Prices()))
    assert kept["LoRA"] == {
        "trained parameters": "1.0 k",
        "stored per task": "4.0 kB",
        "added at inference parameters": "1.0 k",
        "a request tokens": "40",
        "a request keys and values": "46.5 kB",
        "switching milliseconds": MISSING,
    }
    assert training["LoRA"] == {
        "FLOPs a step compiled": "300.0 M",
        "FLOPs a step by formula": "120.0 M",
        "FLOPs a step ratio": "2.50",
        "memory weights": "2.0 MB",  # 2,000,000 - 8004
        "memory optimizer": "8.0 kB",
        "memory activations": "8.0 MB",
        "seconds training": "30",
        "seconds scoring dev": "5.5",
        "seconds compiling": "0.50",
    }
    assert set(training["majority class"].values()) == {MISSING, "3.0"}
    last = cost_tables(read_grid(folder), Prices())[-1]
    assert last.notes[-1].endswith("more than 2 times: LoRA, sentiment, 16-shot 2.50.")


def test_money_by_hand(folder):
    """36 seconds on two devices at 50 an hour; 9 runs; 32 examples and 30 of dev at 0.25."""
    _, training = map(columns, cost_tables(read_grid(folder), Prices(50.0, 0.25)))
    assert training["LoRA"]["money one run"] == "1.00"
    assert training["LoRA"]["money all runs"] == "9.00"
    assert training["LoRA"]["money labels"] == "15.50"
    assert training["majority class"]["money labels"] == MISSING  # nobody knows how large dev was
    without = columns(cost_tables(read_grid(folder), Prices(per_example=0.25))[1])["LoRA"]
    assert [name for name in without if name.startswith("money")] == ["money labels"]


def test_prices_are_given_once_and_checked_with(folder, capsys):
    write_tables(folder)
    plain = (folder / "costs.md").read_bytes()
    assert b"money" not in plain
    options = [str(folder), "--price_per_hour", "50"]
    assert scripts.report.main(options) == 0
    assert b"| 1.00 | 9.00 |" in (folder / "costs.md").read_bytes()
    assert scripts.report.main([str(folder), "--check"]) == 0
    with pytest.raises(SystemExit):
        scripts.report.main([*options, "--check"])
    assert "--check takes those of prices.json" in capsys.readouterr().err
    write_prices(folder, Prices(60.0))
    assert check_tables(folder) == ["costs.md", "costs.tex", "page.html"]
    assert build_tables(folder)[1]["costs.tex"].isascii()


def record(stages, n=10, **changes):
    """A record of older code; n: its most examples of dev."""
    return {
        "costs": {"trained_params": 1000, "stored_bytes": 4400, "memory": {}},
        "configuration": {"approach": {"stages": stages, "baseline": None}, "max_dev": n},
        "regime": "3-shot",
        "labels": ["a", "b", "c", "d"],
        "notes": {},
        **changes,
    }


def stage(name, **fields):
    return {"method": {"name": name}, "schedule": {"optimizer": "adamw"}, **fields}


@pytest.mark.parametrize(
    ("stages", "added"),
    [
        ([], 0),
        ([stage("full")], 0),
        ([stage("last_layers")], 0),
        ([stage("lora")], 1100),
        ([stage("soft_prompt")], 1100),
        ([stage("lora", merge=True)], None),
        ([stage("lora"), stage("full")], None),
        ([{"methods": [{"name": "lora"}, {"name": "head"}], **stage("lora")}], 1100),
        ([{"methods": [{"name": "lora"}, {"name": "full"}], **stage("lora")}], None),
    ],
)
def test_what_is_added_follows_from_the_methods(stages, added):
    assert added_params(record(stages)) == added


def test_memory_of_older_records():
    parts = {k: v for k, v in COSTS["memory"].items() if k != "optimizer_bytes"}
    costs = {"trained_params": 1000, "stored_bytes": 4000, "memory": parts, "peak_bytes": 10**7}
    known = memory_by_purpose(record([stage("lora")], costs=costs))
    assert known == (2_000_000 - 8000, 8000, 8_000_000) and sum(known) == 10**7
    assert memory_by_purpose(record([stage("lora")] * 2, costs=costs)) is None
    other = {**costs, "peak_bytes": 11**7}  # of another stage than the parts
    assert memory_by_purpose(record([stage("lora")], costs=other)) is None
    fact = {"method": {"name": "lora"}, "schedule": {"optimizer": "adafactor"}}
    assert memory_by_purpose(record([fact], costs=costs)) is None


@pytest.mark.parametrize("regime", ["3-shot", "20-shot", "7", "30"])
def test_dev_is_as_large_as_it_is_drawn(regime):
    examples = tuple(Example({"text": text}, label) for text, label in films(0, 120))
    texts = Verbalizer({"good": "good", "bad": "bad"})
    prompt = (Template("{text} So"),)
    task = Task("films", ("good", "bad"), prompt, texts, examples[1:], examples[:1])
    found = draw(task, Regime.parse(regime), 0, max_dev=11)
    assert dev_examples(record([], regime=regime, labels=["good", "bad"], n=11)) == len(found.dev)
    assert dev_examples(record([], regime="all")) is None
    assert dev_examples(record([], notes={"n_dev": 5})) == 5
