"""The page of a results folder: what stands in it, and what it does not need."""

import re
from html.parser import HTMLParser

import pytest

from research.reporting.build import build_tables
from research.reporting.format import percent
from research.reporting.grid.grid import read_grid
from research.reporting.render.html_table import html_tables
from research.reporting.render.page import environment
from research.reporting.table import Table, TableCell

VOID = {"meta", "link"}


class Tree(HTMLParser):
    """Notes what every tag is closed by, and gathers the runs of titles."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.tips, self.texts = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if "title" in dict(attrs):
            self.tips.append(dict(attrs)["title"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] == "title":
            self.tips.append(data)
        elif self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)


@pytest.fixture(scope="module")
def grid(finished):
    return read_grid(finished)


@pytest.fixture(scope="module")
def page(finished):
    return build_tables(finished)[1]["page.html"].decode()


def parsed(page):
    tree = Tree()
    tree.feed(page)
    return tree


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(page):
    tree = parsed(page)
    assert not tree.wrong and not tree.open
    assert not re.search(r"https?:|//[a-z]|@import|url\(|<img|<iframe", page)
    assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,"]


def test_every_cell_names_its_runs_and_every_run_stands_somewhere(grid, page):
    tips = parsed(page).tips
    for cell in grid.tested():
        ids = " ".join(run.run_id for run in cell.runs)
        inside = [tip for tip in tips if tip.endswith(f"runs {ids}")]
        # The table of scores; points by parameters, by seconds and by examples.
        assert len(inside) >= 4
    cells = [cell for cell in grid.cells.values() if "LoRA" in cell.key]
    searched = [run for cell in cells for trial in cell.search for run in trial]
    assert searched and all(any(run.run_id in tip for tip in tips) for run in searched)


def test_the_scores_are_those_of_the_table(grid, page):
    text = " ".join(" ".join(parsed(page).texts).split())
    cell = grid.cell("LoRA", ("sentiment", "500"))
    score = percent(cell.score("accuracy"))
    assert f" {score} " in text and f"\n{score}, 12,288 parameters\n" in page
    assert "without the model" in text and "Pareto front" in text


@pytest.mark.parametrize("seeds, text", [(1, "1 seed</p>"), (5, "5 seeds</p>")])
def test_a_single_thing_is_singular(sweep, seeds, text):
    sweep.seeds = seeds
    sweep.cell(0, 0, 0)
    page = build_tables(sweep.folder)[1]["page.html"].decode()
    assert f"1 approach · 1 task · 1 training set size · {text}" in page


def test_names_are_text_and_not_markup():
    nasty = '<script>alert("&")</script>'
    layout = Table(nasty, ((nasty, nasty),), 1, ((nasty, (TableCell(nasty),)),), (), (nasty,))
    [table] = html_tables(layout)
    assert table.parts[0][1][0].name == nasty  # as it is; the template escapes
    module = environment().get_template("table.html").make_module({"numbered": False})
    written = module.table(table, 1)  # pyright: ignore
    assert "<script" not in written and written.count("&lt;script&gt;") == 6


@pytest.mark.parametrize(
    "text, order",
    [
        ("71.2 ± 3.1 †", 71.2),
        ("98.6 [97.1, 100.0]", 98.6),
        ("-12.5 (stays)", -12.5),
        ("+0.31 (stays)", 0.31),
        ("101–1.0 k", 101),
        ("1.5 kB–17.0 kB", 1500),
        ("452.3 k", 452300),
        ("8 B", 8),
        ("<32", 32),
        ("67.5 (label positive)", 67.5),
        ("—", None),
    ],
)
def test_what_a_column_is_sorted_by(text, order):
    [table] = html_tables(Table("", (("", ""),), 1, (("row", (TableCell(text),)),), (), ()))
    found = table.parts[0][1][0].cells[0].order
    assert found == (None if order is None else pytest.approx(order))
