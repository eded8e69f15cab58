"""The cost tables."""

from dataclasses import replace

import pytest

import scripts.report
from research.experiments.prices import Prices, write_prices
from research.records.costs import StepMemory
from research.reporting.build import build_tables, check_tables, write_tables
from research.reporting.format import MISSING
from research.reporting.grid.grid import read_grid
from research.reporting.tables.costs import cost_tables
from tests.reporting.columns import columns
from tests.run_records import HARDWARE, PROVENANCE

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
    "test_seconds": 2.5,
    "compile_seconds": 0.5,
    "peak_bytes": 10_000_000,
    "memory": StepMemory(
        argument_bytes=2_000_000,
        output_bytes=1_000_000,
        temporary_bytes=8_000_000,
        alias_bytes=1_000_000,
        optimizer_bytes=8004,
    ),
}


@pytest.fixture
def folder(sweep):
    """LoRA with all costs, and a baseline."""
    provenance = replace(PROVENANCE, hardware=replace(HARDWARE, device_count=2))
    sweep.cell(2, 0, 0, costs=COSTS, notes={"n_dev": 30}, provenance=provenance)
    sweep.cell(4, 0, 0)
    return sweep.folder


def test_all_that_is_known_is_shown(folder):
    kept, training = map(columns, cost_tables(read_grid(folder), Prices()))
    assert kept["LoRA"] == {
        "trained parameters": "1.0 k",
        "stored per task": "4.0 kB",
        "added at inference parameters": "1.0 k",
        "per request tokens": "40",
        "per request keys and values": "46.5 kB",
        "switching milliseconds": MISSING,
    }
    assert training["LoRA"] == {
        "FLOPs per step compiled": "300.0 M",
        "FLOPs per step by formula": "120.0 M",
        "FLOPs per step ratio": "2.50",
        "memory weights": "2.0 MB",  # 2,000,000 - 8004
        "memory optimizer": "8.0 kB",
        "memory activations": "8.0 MB",
        "seconds training": "30",
        "seconds scoring dev": "5.5",
        "seconds search": "213",  # 35.5 in each of 6 runs: 3 trials with 2 seeds
        "seconds scoring test": "2.5",
        "seconds compiling": "0.50",
    }
    assert set(training["majority class"].values()) == {MISSING, "3.0"}
    last = cost_tables(read_grid(folder), Prices())[-1]
    assert last.notes[-1].endswith("by more than a factor of 2: LoRA, sentiment, 16-shot 2.50.")


def test_wall_seconds_sum_to_the_whole(sweep):
    """Means over runs, so that columns sum; a run without the seconds counts in none of them."""
    spent = {"compiling": 20.0, "training": 30.0, "saving checkpoints": 2.0, "other": 1.0}
    sweep.cell(2, 0, 0, costs=COSTS | {"seconds_by_purpose": spent})
    sweep.cell(4, 0, 0, costs={"seconds_by_purpose": {"scoring": 0.25, "other": 0.0}})
    *others, last = cost_tables(read_grid(sweep.folder), Prices())
    assert len(others) == 2 and last.title.endswith("wall seconds by purpose")
    table = columns(last)
    assert list(table["LoRA"].items()) == [
        ("wall time whole", "53"),
        ("wall time training", "30"),
        ("wall time compiling", "20"),
        ("wall time scoring", MISSING),
        ("wall time saving checkpoints", "2.0"),
        ("wall time other", "1.0"),
    ]
    assert set(table["majority class"].values()) == {MISSING, "0.25"}
    [note] = last.notes
    assert "Training: training steps; compiling: " in note and "forgetting" not in note


def test_records_without_wall_seconds_have_no_table_of_them(folder):
    assert len(cost_tables(read_grid(folder), Prices())) == 2


def test_money_by_hand(folder):
    """36 seconds on two devices at 50 an hour; 9 runs; 32 examples and 30 of dev at 0.25."""
    _, training = map(columns, cost_tables(read_grid(folder), Prices(50.0, 0.25)))
    assert training["LoRA"]["money one run"] == "1.00"
    assert training["LoRA"]["money all runs"] == "9.00"
    assert training["LoRA"]["money labels"] == "15.50"
    assert training["majority class"]["money labels"] == "16.00"
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
    assert "--check uses those in prices.json" in capsys.readouterr().err
    write_prices(folder, Prices(60.0))
    assert check_tables(folder) == ["costs.md", "costs.tex", "page.html"]
    assert build_tables(folder)[1]["costs.tex"].isascii()
