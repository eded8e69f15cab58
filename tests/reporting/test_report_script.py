import json
import shutil
from dataclasses import replace

import pytest

from research.common.hashing import record_checksum
from research.records.configuration import GitState
from research.records.data_report import DataReport, write_data_report
from research.records.measurements import Robustness
from research.records.test_access import accesses_of
from research.records.test_access_log import TestAccessLog
from research.reporting.checks.consistency import differing
from research.reporting.grid.grid import read_grid
from research.stats.groups import GroupScore
from scripts.report import main
from tests.run_records import HARDWARE, PROVENANCE


def test_report_writes_the_tables_and_check_reads_them(finished, tmp_path, capsys):
    folder = shutil.copytree(finished, tmp_path / "copy")
    results = [str(folder)]
    assert main([*results, "--check"]) == 1
    assert str(folder / "table.csv") in capsys.readouterr().err
    assert not (folder / "table.csv").exists()
    assert main(results) == 0
    assert "full fine-tuning" in capsys.readouterr().out
    assert main([*results, "--check"]) == 0
    (folder / "table.tex").unlink()
    assert main([str(folder), "--check"]) == 1
    found = capsys.readouterr()
    assert found.err.count("differs from") == 1
    assert (
        found.out.splitlines()[-1] + "\n"
        == "recomputed 168 runs and 24 cells from 120 files of predictions\n"
    )


def test_check_names_every_damaged_run(sweep, capsys):
    """Also where the digests were made anew, so that only recomputing can tell."""
    sweep.cell(0, 0, 0)
    folder = sweep.folder
    first, second = sorted((folder / "predictions").iterdir())[:2]
    first.write_text(first.read_text().replace("positive", "negative", 3))
    path = folder / "runs" / f"{second.stem}.json"
    record = json.loads(path.read_text())
    record["metrics"]["test"]["accuracy"] += 0.01
    path.write_text(json.dumps({**record, "checksum": record_checksum(record)}))
    assert main([str(folder), "--check"]) == 1
    errors = capsys.readouterr().err
    assert first.stem in errors and f"{second.stem}.json: metrics.test.accuracy" in errors
    assert errors.count("damaged: ") == 2


def test_check_names_a_record_without_its_checksum(sweep, capsys):
    sweep.cell(0, 0, 0)
    path = next((sweep.folder / "runs").iterdir())
    record = json.loads(path.read_text())
    del record["checksum"]
    path.write_text(json.dumps(record))
    assert main([str(sweep.folder), "--check"]) == 1
    assert f"damaged: {path}: checksum is None" in capsys.readouterr().err


def test_check_names_test_evaluations_that_the_log_lost(sweep, capsys):
    """As where its last lines were removed, which the chain of checksums cannot tell."""
    for approach in (0, 1, 2):
        sweep.cell(approach, 0, 0)
    folder, grid = sweep.folder, read_grid(sweep.folder)
    records = [run for cell in grid.tested() for run in cell.runs]
    TestAccessLog(folder)._add(accesses_of(records, {}))
    assert main([str(folder)]) == 0 and main([str(folder), "--check"]) == 0
    file = folder / "test_access.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    last = json.loads(lines[-1])["approach"]
    file.write_bytes(b"".join(lines[:-1]))
    capsys.readouterr()
    assert main([str(folder), "--check"]) == 1
    assert f"the test evaluation of {last}, sentiment, 16-shot" in capsys.readouterr().err


def test_check_names_an_edited_data_report(sweep, capsys):
    sweep.cell(0, 0, 0)
    folder = sweep.folder
    write_data_report(folder, DataReport("org/tiny", None, ()))
    assert main([str(folder)]) == 0 and main([str(folder), "--check"]) == 0
    file = folder / "data.json"
    file.write_text(file.read_text().replace("null", "512"))
    assert main([str(folder), "--check"]) == 1
    assert f"damaged: {file}: checksum" in capsys.readouterr().err


def test_check_names_what_the_predictions_do_not_give(sweep, capsys):
    """Scores by label, which the store does not recompute."""
    sweep.cell(0, 0, 0)
    folder = sweep.folder
    assert main([str(folder)]) == 0
    one = next(run for run in read_grid(folder).tested()[0].runs)
    path = folder / "runs" / f"{one.run_id}.json"
    shares = {"negative": GroupScore(0.123, 1), "positive": GroupScore(0.5, 1)}
    record = replace(one, robustness=Robustness({"label": shares})).to_json()
    path.write_text(json.dumps({**record, "checksum": record_checksum(record)}))
    capsys.readouterr()
    assert main([str(folder), "--check"]) == 1
    assert f"run {one.run_id}: label negative is 0.123" in capsys.readouterr().err


def test_cells_produced_under_other_conditions_are_named(sweep, capsys):
    fast = replace(PROVENANCE, hardware=replace(HARDWARE, processor="fast"))
    dirty = replace(PROVENANCE, git=GitState("abc", True))
    sweep.cell(0, 0, 0, metric_version=2)
    sweep.cell(1, 0, 0)
    sweep.cell(
        2,
        0,
        0,
        skip=lambda trial, seed: seed == 4,
        provenance=fast,
    )
    sweep.cell(4, 0, 0)
    sweep.cell(4, 0, 1, provenance=dirty)
    lines = differing(read_grid(sweep.folder))
    where = "in column sentiment, 16-shot"
    assert lines == [
        f"metric version differs {where}, 3 have 1: zero-shot prompt/sentiment/16-shot: 2",
        f"hardware differs {where}, 3 have a processor, cpu, 1: LoRA/sentiment/16-shot: "
        "fast, cpu, 1",
        f"seeds differs {where}, 3 have 0 1 2 3 4: LoRA/sentiment/16-shot: 0 1 2 3",
        "code differs in row majority class, 1 have committed code: "
        "majority class/sentiment/500: uncommitted changes",
    ]
    folder = str(sweep.folder)
    assert main([folder]) == 0 and main([folder, "--check"]) == 0
    assert capsys.readouterr().err.count("warning: ") == 4


def test_advice_and_comparisons_are_printed(sweep, capsys):
    for approach in range(6):
        sweep.cell(approach, 0, 1)
    folder = str(sweep.folder)
    bounds = ["--task", "sentiment", "--examples", "500", "--bytes", "100000", "--tasks", "3"]
    assert main([folder, "--advise", *bounds]) == 0
    out = capsys.readouterr().out
    assert "take LoRA" in out and "3 such tasks: 147.5 kB" in out and "nine criteria" in out
    assert main([folder, "--against", folder]) == 0
    assert "Significant differences: 0 of 6" in capsys.readouterr().out


def test_a_mistake_is_a_sentence_and_exit_code_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main([str(tmp_path / "missing")])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "missing" in error and error.count("\n") == 1
