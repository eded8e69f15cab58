"""The lock on test: what is a look, what is another one, and what does not undo it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from research.common.errors import InputError
from research.records.store import RunStore
from research.records.test_access import Protocol, TestAccess, accesses_of, count_accesses
from research.records.test_access_log import FILE, TestAccessLog, count_accesses_by_cell
from research.reporting.build import build_tables, check_tables
from research.reporting.grid.grid import read_grid
from scripts import report
from tests.films import run

CELL = ("LoRA", "films", "4-shot")


@pytest.fixture
def alone(config: dict[str, Any]) -> dict[str, Any]:
    """The experiment with one row and its one trial."""
    row = {**config["approaches"][2], "trials": [{"learning_rate": 0.1}]}
    return config | {"approaches": [row], "seeds": 1, "search_seeds": 1, "workers": 1}


def times(folder: Path) -> tuple[int, int]:
    return read_grid(folder).test_accesses[CELL]


def with_rate(config: dict[str, Any], rate: float) -> dict[str, Any]:
    return config | {
        "approaches": [{**config["approaches"][0], "trials": [{"learning_rate": rate}]}]
    }


def test_a_sweep_notes_each_cell_once(swept: Path):
    looks = TestAccessLog(swept).all()
    assert len(looks) == 5 == len({look.approach for look in looks})
    tested = [record for record in RunStore(swept).all() if record.tested]
    for look in looks:  # once all that dev needs is trained
        own = [record.created for record in tested if record.approach == look.approach]
        assert look.when >= max(own)
    again = accesses_of(tested, {})
    assert {look.choice for look in again} == {look.choice for look in looks}
    lora = next(look for look in looks if look.approach == "LoRA")
    assert lora.protocol == Protocol(seeds=3, search_seeds=2, trials=3)
    assert lora.trial in [one.trial for one in tested if one.approach == "LoRA"]
    assert all(look.test for look in looks) and not TestAccessLog(swept).lost
    assert "§" not in (swept / "table.md").read_text()


def test_a_second_look_with_another_choice_is_marked_though_runs_are_deleted(
    alone: dict, tmp_path: Path
):
    run(alone, tmp_path)
    run(alone | {"seeds": 2}, tmp_path)  # another seed of the same choice
    assert times(tmp_path) == (1, 1) and len(TestAccessLog(tmp_path).all()) == 3
    shutil.rmtree(tmp_path / "runs")
    shutil.rmtree(tmp_path / "predictions")
    run(with_rate(alone, 0.2), tmp_path)
    assert times(tmp_path) == (2, 1)
    table = (tmp_path / "table.md").read_text()
    assert "§ Evaluated on test more than once" in table and "LoRA, films, 4-shot 2 times" in table
    assert "‡§" in table and r"\S{}" in (tmp_path / "table.tex").read_text()
    # The file lost, its runs still tell of their own look; and a sweep begins it anew.
    (tmp_path / FILE).unlink()
    assert times(tmp_path) == (1, 1) and TestAccessLog(tmp_path).lost
    run(with_rate(alone, 0.2), tmp_path)
    [*_, look] = [look for look in TestAccessLog(tmp_path).all() if look.approach == "LoRA"]
    assert look.test and not TestAccessLog(tmp_path).lost


def look(**changes: Any) -> TestAccess:
    rest: dict[str, Any] = {"trial": {}, "protocol": Protocol(1, 1, 1), "when": "2026"}
    rest |= {"task_checksum": "t", "test": "x", "choice": "a", "code_version": 3}
    names = dict(zip(("approach", "task", "regime"), CELL, strict=True))
    return TestAccess(**{**names, **rest, **changes})


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], (1, 1)),
        ([look(choice="b")], (2, 1)),
        ([look(code_version=4)], (1, 2)),
        ([look(approach="full")], (1, 1)),
        ([look(choice="b", task_checksum="u")], (2, 1)),  # other prompts, the same test
        ([look(choice="b", task_checksum="u", test="y")], (1, 1)),
        ([look(choice="b", task_checksum="u", test=None)], (1, 1)),
        ([look(choice="b", test=None)], (2, 1)),
    ],
)
def test_what_counts_as_another_look(others, expected):
    assert count_accesses([look(), *others], CELL, "t") == expected


@pytest.mark.parametrize("damage", ["edited", "taken out", "swapped", "no JSON"])
def test_the_chain_does_not_hide_a_change(damage: str, swept: Path, tmp_path: Path):
    lines = (swept / FILE).read_text().splitlines()
    if damage == "edited":
        lines[1] = lines[1].replace('"4-shot"', '"5-shot"')
    elif damage == "swapped":
        lines[1], lines[2] = lines[2], lines[1]
    elif damage == "taken out":
        del lines[1]
    else:
        lines[1] = "{"
    (tmp_path / FILE).write_text("\n".join(lines))
    with pytest.raises(InputError, match=rf"{FILE}: line [23]"):
        TestAccessLog(tmp_path).all()


def test_a_folder_without_the_file_is_readable_with_a_sentence(
    swept: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    assert report.main([str(tmp_path), "--check"]) == 0
    assert capsys.readouterr().err == ""
    (tmp_path / FILE).unlink()
    assert check_tables(tmp_path) == []
    assert report.main([str(tmp_path), "--check"]) == 0
    assert "test_access.jsonl is missing" in capsys.readouterr().err


def test_runs_on_hand_count_without_the_file(swept: Path, tmp_path: Path):
    """Two tested choices of a cell are two looks, whatever became of the file."""
    own = [r for r in RunStore(swept).all() if r.approach == "LoRA" and r.tested]
    other = replace(own[0], settings={**own[0].settings, "max_dev": 4})
    assert count_accesses_by_cell(tmp_path, own)[CELL] == (1, 1)
    assert count_accesses_by_cell(tmp_path, [*own, other])[CELL] == (2, 1)


def test_versions_of_the_code_are_counted_and_not_marked(swept: Path, tmp_path: Path):
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    [record] = [r for r in RunStore(swept).all() if r.approach == "LoRA" and r.seed == 2]
    older = replace(record, code_version=2, created="2026-01-01T00:00:00+00:00")
    looks = TestAccessLog(tmp_path)
    looks.backfill([older, older], [])
    looks.backfill([older], [])
    assert len(looks.all()) == 6 == len(TestAccessLog(tmp_path).all())
    assert json.loads((tmp_path / FILE).read_text().splitlines()[-1])["code_version"] == 2
    table = build_tables(tmp_path)[1]["table.md"].decode()
    assert "Evaluated on test by several versions of the code: LoRA, films, 4-shot by 2." in table
    assert "§" not in table


def test_choices_of_several_backbones_are_counted_apart(swept: Path, tmp_path: Path):
    [first] = [r for r in RunStore(swept).all() if r.approach == "LoRA" and r.seed == 2]
    assert first.backbone
    second = replace(
        first,
        backbone=replace(first.backbone, checksum="other"),
        settings={**first.settings, "backbone": "other"},
    )

    def counts() -> dict:
        def key(record: Any) -> Any:
            return record.backbone.checksum, *CELL[1:]

        return count_accesses_by_cell(tmp_path, [first, second], key)

    own, other = ((checksum, *CELL[1:]) for checksum in (first.backbone.checksum, "other"))
    assert counts() == {own: (1, 1), other: (1, 1)}
    log = TestAccessLog(tmp_path)
    log.backfill([first, second], [])
    assert [look.backbone for look in log.all()] == [first.backbone.checksum, "other"]
    assert counts() == {own: (1, 1), other: (1, 1)}
    # A deleted run of which the log does not name the backbone may have had either.
    log.backfill([replace(first, settings={**first.settings, "max_dev": 4})], [])
    assert log.all()[-1].backbone is None and counts() == {own: (2, 1), other: (2, 1)}
