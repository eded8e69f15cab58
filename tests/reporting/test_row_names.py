"""Rows of a results folder with several backbones."""

from dataclasses import replace

import pytest

from research.common.errors import InputError
from research.records.failures import Failure
from research.records.measurements import BackboneReference
from research.records.schema import RunRecord
from research.reporting.grid.row_names import row_names
from tests.run_records import CONFIGURATION, make_record

CELL = ("sentiment", "16-shot")


def run(name: str, checksum: str, *backbones: str, day: int = 1) -> RunRecord:
    """A run with a backbone, of an experiment with these."""
    return make_record(
        backbone=BackboneReference(name, checksum),
        configuration=replace(CONFIGURATION, backbone=name, backbones=backbones),
        created=f"2026-01-{day:02d}T00:00:00+00:00",
    )


def test_rows_are_approaches_where_there_is_one_backbone():
    names = row_names([run("org/a", "1"), make_record(backbone=None)], "runs")
    assert names.key(run("org/a", "1")) == ("LoRA", *CELL) and not names.labels
    moved = row_names([run("a", "1"), run("b", "1", day=2)], "runs")  # the same model elsewhere
    assert moved.key(run("a", "1")) == ("LoRA", *CELL)


def test_the_newest_experiment_sets_the_order():
    runs = [
        run("org/a", "1"),  # of an earlier experiment with it alone
        run("org/b", "2", "org/a", "org/b", day=2),
        run("org/c", "3", "org/c", "org/a", day=3),
    ]
    names = row_names(runs, "runs")
    assert tuple(names.labels.values()) == ("c", "a", "b")
    assert [names.position(record) for record in runs] == [1, 2, 0]
    assert names.key(runs[0]) == ("LoRA on a", *CELL)
    assert names.position(make_record(backbone=None)) == 0
    assert names.key(make_record(backbone=None))[0] == "LoRA"


def test_a_backbone_without_runs_is_named_too():
    names = row_names([run("a", "1", "a", "b")], "runs")
    assert names.key(run("a", "1"))[0] == "LoRA on a"
    refused = Failure("head", *CELL, run_id="x", reason="no", backbone="b", refused=True)
    assert names.key_of_failure(refused) == ("head on b", *CELL)
    earlier = Failure("head", *CELL, run_id="x", reason="no")
    assert names.key_of_failure(earlier) == ("head", *CELL)


def test_backbones_that_no_experiment_compares_are_refused():
    with pytest.raises(InputError, match="runs: backbone is .*a table has one, unless"):
        row_names([run("a", "1"), run("b", "2")], "runs")
    with pytest.raises(InputError, match="runs: backbone is .*a table has one, unless"):
        row_names([run("a", "1", "a", "b"), run("c", "3")], "runs")


def test_a_backbone_that_changed_is_refused():
    with pytest.raises(InputError, match="runs: backbone is .*it has changed"):
        row_names([run("a", "1", "a", "b"), run("a", "2", "a", "b", day=2)], "runs")
