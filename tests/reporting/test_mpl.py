"""The figures for print."""

import shutil
from dataclasses import replace

import pytest

from research.reporting.figures.colors import series_styles
from research.reporting.figures.costs import cost_figures
from research.reporting.figures.mpl import draw_figure
from research.reporting.grid.grid import read_grid
from scripts.report import main

pytestmark = pytest.mark.thorough  # drawing takes seconds


def test_a_figure_is_drawn_to_the_same_bytes_without_a_date(finished):
    grid = read_grid(finished)
    styles = series_styles(grid)
    figure = cost_figures(grid, styles)[1]
    first, second = (draw_figure(figure, styles) for _ in range(2))
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


def test_names_are_text_and_not_mathematics(finished):
    """Also in the key, the title and the axes, with letters that the first font lacks."""
    grid = read_grid(finished)
    name = r"$\foo{$ Привет " + 12 * "a long name "
    styles = {row: replace(style, name=name) for row, style in series_styles(grid).items()}
    figure = cost_figures(grid, styles)[0]
    panels = tuple(
        replace(panel, title=name, x=replace(panel.x, label=name), y=replace(panel.y, label=name))
        for panel in figure.panels
    )
    assert draw_figure(replace(figure, panels=panels), styles)["pdf"].startswith(b"%PDF")
