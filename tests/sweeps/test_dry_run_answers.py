"""A plan counts generated texts, samples, patterns and fixed texts of prompts."""

from pathlib import Path
from typing import Any

import pytest

from research.experiments.experiment import Experiment
from research.reporting.tables.dry_run import dry_run_table
from research.sweeps.dry_run.compiled_programs import PATTERN_SECONDS
from research.sweeps.dry_run.dry_run import DryRun, plan_only
from research.sweeps.dry_run.machine import Machine
from research.sweeps.dry_run.row import DryRunRow
from research.sweeps.dry_run.time_estimate import GENERATING
from tests import films

MACHINE = Machine(flops=1e9, half_rate=0, workers=1)
ANSWERED = 3 * 8 + 3 * 8  # dev and test rows of all runs of a row without trials


def planned(config: dict[str, Any], *rows: dict[str, Any]) -> DryRun:
    config = config | {"approaches": [{"scoring": "fixed", **row} for row in rows]}
    return plan_only(Experiment.parse(config), Path("nowhere"), machine=MACHINE)


def rows_of(config: dict[str, Any], *rows: dict[str, Any]) -> dict[str, DryRunRow]:
    return {row.approach: row for row in planned(config, *rows).rows}


def by_text(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "answer_by": "text", **fields}


def test_generated_tokens_count_for_each_sample(config: dict):
    plan = planned(
        config,
        {"name": "scores"},
        by_text("short", max_new_tokens=4),
        by_text("long", max_new_tokens=8),
        by_text("vote", max_new_tokens=4, samples=5),
        by_text("long vote", max_new_tokens=8, samples=5),
    )
    rows = {row.approach: row for row in plan.rows}
    token = 2 * plan.parameters / (GENERATING * MACHINE.flops)
    short, long = rows["short"].scoring, rows["long"].scoring
    assert long - short == pytest.approx(ANSWERED * 4 * token)
    votes = rows["long vote"].scoring - rows["vote"].scoring
    assert votes == pytest.approx(5 * (long - short))
    assert rows["vote"].scoring > short + ANSWERED * 4 * 4 * token
    assert not rows["scores"].generates and rows["short"].generates
    assert any("Generated texts count" in note for note in dry_run_table(plan).notes)


@pytest.mark.thorough
def test_while_it_trains_a_row_writes_one_text(config: dict):
    """Then dev, as many rows of train, and test, with all samples."""
    lora = {"method": {"name": "lora", "rank": 2}}
    one, five = (
        rows_of(config, by_text("LoRA", stages=[lora], max_new_tokens=2, samples=n))["LoRA"]
        for n in (1, 5)
    )
    zero_one, zero_five = (
        rows_of(config, by_text("zero-shot", max_new_tokens=2, samples=n))["zero-shot"]
        for n in (1, 5)
    )
    more, zero_more = five.scoring - one.scoring, zero_five.scoring - zero_one.scoring
    assert more == pytest.approx(zero_more * (2 * 3 * 8 + 3 * 8) / ANSWERED)


def test_a_pattern_is_compiled_by_each_worker(config: dict):
    free, constrained = (
        rows_of(config, by_text("row", max_new_tokens=4, constrained=constrained))["row"]
        for constrained in (False, True)
    )
    assert constrained.compiling - free.compiling == pytest.approx(PATTERN_SECONDS)
    both = rows_of(
        config,
        by_text("first", max_new_tokens=4, constrained=True),
        by_text("second", max_new_tokens=4, constrained=True, demonstrations=1),
    )
    assert len(both["first"].compiled.patterns | both["second"].compiled.patterns) == 1
    assert both["second"].compiling < both["first"].compiling + PATTERN_SECONDS / 2


def test_a_chat_and_an_instruction_take_tokens(tmp_path: Path):
    films.write_inputs(tmp_path)
    films.write_backbone(tmp_path / "chat", context=256, chat_template=films.CHAT)
    config = films.settings(tmp_path) | {"backbone": str(tmp_path / "chat")}
    instruction = "Is the film good or bad? " * 8
    rows = rows_of(
        config,
        {"name": "plain"},
        {"name": "instruction", "instruction": instruction.strip()},
        {"name": "chat", "chat": True, "system": "Judge."},
    )
    seconds = {name: row.scoring for name, row in rows.items()}
    assert seconds["plain"] < seconds["instruction"] < 2 * seconds["plain"]  # a batch reads it once
    assert seconds["plain"] < seconds["chat"]
    assert rows["plain"].encoding < rows["instruction"].encoding


@pytest.mark.thorough
def test_all_trials_count(config: dict):
    """The mean of a row that tries one text and five."""
    one, five, both = (
        rows_of(config, by_text("row", max_new_tokens=4, trials=trials))["row"].scoring
        for trials in ([{"samples": 1}], [{"samples": 5}], [{"samples": 1}, {"samples": 5}])
    )
    runs = (2 * 2 + 1 + 3) / (3 + 3)  # search and further seed, and three on test
    assert both == pytest.approx(runs * (one + five) / 2)


@pytest.mark.thorough
def test_the_nearest_demonstrations_are_read_with_each_row(config: dict):
    rows = rows_of(
        config,
        {"name": "shared", "demonstrations": 1},
        {"name": "nearest", "demonstrations": 2, "choice": "nearest"},
    )
    assert rows["nearest"].scoring > 1.5 * rows["shared"].scoring
