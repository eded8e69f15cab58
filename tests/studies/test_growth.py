"""Growth: its sizes, what is measured again, and its figure."""

import json

import pytest
from rich.console import Console

from research.studies.speed.growth import measure
from research.studies.speed.growth.figure import draw_growth
from research.studies.speed.growth.sizes import AXES, Size, sizes, sizes_along
from research.studies.speed.selection import BenchmarkOptions


def point(size):
    """A made-up measurement."""
    step = size.layers * size.width * size.rows / 1e3
    return {
        "size": list(size),
        "ours_ms": step,
        "peft_ms": 2 * step,
        "compile_seconds": size.layers / 2,
        "ours_bytes": 1e6 * size.width,
        "peft_bytes": 2e6 * size.width,
    }


def test_each_size_is_measured_once():
    assert len(list(sizes())) == len(set(sizes())) == sum(map(len, AXES.values())) - 2
    assert [size.layers for size in sizes_along("layers")] == [6, 12, 24, 30]
    for size in sizes():
        assert size.width % 192 == 0, "heads are shared by three"


def test_the_figure_needs_only_some_of_the_sizes():
    points = {size: point(size) for size in sizes_along("layers")}
    files = draw_growth(points)
    assert files["growth.png"].startswith(b"\x89PNG") and files["growth.pdf"].startswith(b"%PDF")
    points[Size(width=192)] = point(Size(width=192))
    assert draw_growth(points)["growth.png"] != files["growth.png"]
    assert draw_growth({}) == {}


def test_measured_sizes_are_kept(monkeypatch, tmp_path):
    measured = []

    def made(size, options):
        measured.append(size)
        if len(measured) == 2:
            raise RuntimeError("the sides differ")
        return point(size)

    monkeypatch.setattr(measure, "_measure", made)
    monkeypatch.setattr(measure, "sizes", lambda: [Size(), Size(layers=6), Size(layers=24)])
    monkeypatch.setattr(BenchmarkOptions, "check", lambda self: None)
    monkeypatch.setattr(measure, "machine", dict)
    options = BenchmarkOptions("here", tmp_path, (), 1, 1.0)
    codes = [measure.measure_growth(options, Console(quiet=True)) for _ in range(2)]
    assert codes == [1, 0]
    assert [size.layers for size in measured] == [12, 6, 24, 6]
    stored = json.loads((tmp_path / "here" / "growth.json").read_text())
    assert [point["size"][0] for point in stored["points"]] == [12, 24, 6]
    assert (tmp_path / "here" / "growth.png").is_file()


@pytest.mark.parametrize("size", [Size(layers=1, width=192, rows=2)])
def test_a_size_is_a_case_of_both_sides(size, tmp_path):
    case = size.case()
    assert case.name == "1 layers, width 192, 2 rows" and case.at_least is None
    case.prepare(tmp_path)
    assert (tmp_path / "adapters/0").is_dir() and (tmp_path / "model/config.json").is_file()
