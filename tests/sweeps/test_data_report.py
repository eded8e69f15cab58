"""The data report that a sweep leaves, and what a run's record has for the cost store."""

import io
import json
import shutil
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from rich.console import Console

from research.common.errors import InputError
from research.experiments.experiment import Experiment
from research.experiments.prices import Prices, read_prices, write_prices
from research.models.backbone import load_tokenizer
from research.models.llama.model import Decoder
from research.records.data_report import read_data_report, report_lines, write_data_report
from research.records.store import RunStore
from research.sweeps import data_report
from research.sweeps.data_report import check_data
from research.sweeps.sweep import sweep
from research.tasks.data_checks import FlaggedRows
from tests.films import films


@pytest.fixture
def made(config, tiny: Path):
    """Makes the data_report of the experiment with some settings changed, beside a folder."""

    def make(folder: Path, **changes) -> data_report.DataReport:
        experiment = Experiment.parse({**config, **changes})
        tasks = [settings.load() for settings in experiment.tasks]
        model = Decoder.from_hf(json.loads((tiny / "backbone/config.json").read_text()))
        tokenizer = load_tokenizer(str(tiny / "backbone"), model)
        return check_data(experiment, tasks, model, tokenizer, folder)

    return make


@pytest.fixture
def tokens(tiny: Path):
    """Counts the tokens of a text."""
    model = Decoder.from_hf(json.loads((tiny / "backbone/config.json").read_text()))
    tokenizer = load_tokenizer(str(tiny / "backbone"), model)
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])  # pyright: ignore


def test_a_sweep_leaves_what_it_saw_before_training(swept, made, tokens):
    stored = read_data_report(swept)
    assert stored == made(Path("nowhere")) and stored is not None
    (found,) = stored.tasks
    assert {split: part.rows for split, part in found.parts.items()} == {"train": 40, "test": 8}
    lengths = [tokens(f"{text}\nVerdict:") for text, _ in films(0, 40)]
    own = found.parts["train"].lengths
    assert own is not None and own.longest == max(lengths)
    assert (own.median, own.high) == tuple(np.quantile(lengths, (0.5, 0.95)))
    # The context less <s> and the longest label.
    assert own.most == 64 - 1 - max(tokens(f" {label}\n") for label in ("good", "bad"))


def test_lengths_of_very_long_texts_are_extrapolated(monkeypatch):
    """A text of a megabyte costs no more than its first characters."""
    monkeypatch.setattr(data_report, "READ", 1000)
    seen = []

    class Words:
        def prompts(self, fields):
            seen.extend(fields)
            return [[0] * len(" ".join(values.values()).split()) for values in fields]

    rows = [{"a": "a warm film"}, {"a": "a warm film " * 5000, "b": "it was dull"}]
    short, long = data_report.prompt_lengths(cast(Any, Words()), rows)
    assert short == 3 and long == pytest.approx(15_003, rel=0.01)
    assert max(len(text) for values in seen for text in values.values()) == 1000


def test_what_does_not_fit_is_counted(made, tokens):
    lengths = [tokens(f"{text}\nVerdict:") for text, _ in films(0, 40)]
    limited = made(Path("nowhere"), max_tokens=10).tasks[0].parts["train"].lengths
    rows = [row for row, length in enumerate(lengths, start=1) if length > limited.most]
    assert limited.over == FlaggedRows(len(rows), tuple(rows[:10])) and 0 < len(rows) < 40


def test_a_survey_on_hand_is_read_and_not_made_again(made, swept, monkeypatch, tmp_path):
    stored = read_data_report(swept)
    monkeypatch.setattr(data_report, "task_data_report", None)
    assert made(swept) == stored
    with pytest.raises(TypeError):
        made(swept, max_tokens=20)  # other lengths, so another survey


def test_it_is_shown_before_the_first_run(config, swept, tmp_path):
    folder = shutil.copytree(swept, tmp_path / "copy")
    console = Console(file=io.StringIO(), width=200)
    sweep(Experiment.parse(config), folder, console)
    stored = read_data_report(folder)
    assert stored is not None
    assert console.file.getvalue().splitlines()[: len(report_lines(stored))] == report_lines(stored)  # pyright: ignore


def test_a_damaged_report_is_a_sentence(tmp_path):
    (tmp_path / "data.json").write_text("{")
    with pytest.raises(InputError, match="it cannot be read as JSON"):
        read_data_report(tmp_path)
    (tmp_path / "data.json").write_text('{"backbone": null, "max_tokens": null, "tasks": [{}]}')
    with pytest.raises(InputError, match="the field is required"):
        read_data_report(tmp_path)


def test_what_is_written_is_read(made, tmp_path):
    found = made(tmp_path, max_tokens=10)
    write_data_report(tmp_path, found)
    assert read_data_report(tmp_path) == found


def test_records_have_what_the_ledger_asks_for(swept):
    for record in RunStore(swept).all():
        costs = record.costs
        if record.approach == "LoRA":
            assert costs.memory and costs.memory.optimizer_bytes == 8 * costs.trained_params + 4
            assert costs.added_params == costs.trained_params
            assert costs.formula_flops and costs.evaluation_seconds
        if record.approach in ("LoRA", "zero-shot", "few-shot"):
            # One layer, one key head of width 8, in float32.
            assert costs.request_tokens and costs.cache_bytes == round(
                costs.request_tokens * 2 * 8 * 4
            )
            assert costs.request_tokens > 1 + costs.added_tokens
        assert record.notes.n_dev == 8


def test_prices_are_kept(tmp_path):
    assert read_prices(tmp_path) == Prices()
    write_prices(tmp_path, Prices())
    assert not any(tmp_path.iterdir())
    write_prices(tmp_path, Prices(2.5))
    assert read_prices(tmp_path) == Prices(2.5, None)
    with pytest.raises(InputError, match="a finite number from 0 is expected"):
        Prices(per_example=-1.0)
