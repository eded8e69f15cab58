"""The figures for print."""

import shutil

import pytest

from research.reporting.figures.colors import by_family, series_styles
from research.reporting.figures.costs import cost_figures
from research.reporting.figures.mpl import STYLE, draw_figure
from research.reporting.grid.grid import read_grid
from scripts.report import main

pytestmark = pytest.mark.thorough  # drawing takes seconds


def test_a_figure_is_drawn_to_the_same_bytes_without_a_date(finished):
    import matplotlib

    grid = read_grid(finished)
    found = series_styles(grid)
    figure = cost_figures(grid, found)[1]
    with matplotlib.rc_context(STYLE):
        first, second = (draw_figure(figure, by_family(found)) for _ in range(2))
    assert first == second and set(first) == {"png", "pdf"}
    assert first["png"].startswith(b"\x89PNG") and first["pdf"].startswith(b"%PDF")
    for content in first.values():
        assert b"CreationDate" not in content and b"matplotlib" not in content.lower()


def test_report_writes_them_when_asked(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "copy")
    assert main([str(folder), "--figures"]) == 0
    names = {path.name for path in (folder / "figures").iterdir()}
    plots = ("parameters", "examples", "seconds", "rates", "prompts")
    assert names == {f"{name}.{form}" for name in plots for form in ("png", "pdf")}
    (folder / "figures" / "rates.pdf").unlink()
    assert main([str(folder), "--check"]) == 0  # figures take no part
