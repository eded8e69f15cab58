"""The page of a results folder: one HTML file with sortable tables and figures.

It opens from disk, loads nothing from the network, and can be read without scripts. The same runs
give the same bytes.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from research.reporting.figures.all import figure_sections
from research.reporting.figures.colors import FAMILIES, Styles, by_family, series_styles
from research.reporting.figures.figure import Figure
from research.reporting.figures.svg import marker_svg, panel_svg
from research.reporting.format import RANGE, counted
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid
from research.reporting.render.html_table import HtmlTable, cell_tables, named_tables, score_tables
from research.reporting.table import Table
from research.reporting.tables.robustness import robustness_tables

WEB = Path(__file__).parent / "web"


@dataclass(frozen=True)
class Section:
    """A numbered section of the page.

    Attributes:
        title: its heading.
        text: an introduction, or an empty text.
        tables: its tables.
        figures: its figures.
    """

    title: str
    text: str = ""
    tables: Sequence[HtmlTable] = ()
    figures: Sequence[Figure] = ()


def build_page(grid: Grid, table: Table, others: Mapping[str, Sequence[Table]]) -> str:
    """The whole page.

    Args:
        grid: the grid of the results folder.
        table: the score table.
        others: further tables, by the title of their section.
    """
    styles = series_styles(grid)
    sections = _sections(grid, styles, table, others)
    groups = itertools.groupby(sections, key=lambda section: bool(section.figures))
    return (
        environment()
        .get_template("page.html")
        .render(
            title=table.title,
            facts=_facts(grid),
            groups=[(with_figures, list(group)) for with_figures, group in groups],
            families=FAMILIES,
            members=by_family(styles),
            numbered=any(style.tag != style.name for style in styles.values()),
            style_sheet=Markup((WEB / "page.css").read_text()),
            script=Markup((WEB / "page.js").read_text()),
            svg=lambda panel: Markup(panel_svg(panel)),
            sample=lambda style: Markup(marker_svg(style)),
        )
    )


def environment() -> Environment:
    """The environment of the templates: all text is escaped; an undefined name is an error."""
    return Environment(
        loader=FileSystemLoader(WEB),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _sections(
    grid: Grid, styles: Styles, table: Table, others: Mapping[str, Sequence[Table]]
) -> Iterator[Section]:
    """The sections in the order of the page; those without tables and figures are left out."""
    budget = (
        "All approaches were compared on the same dev sets. For each, the trial "
        "with the best mean dev score was evaluated on test."
    )
    yield Section("Scores", budget, score_tables(grid, styles, table))
    for title, figures in figure_sections(grid, styles).items():
        yield Section(title, figures=figures)
    if robustness := _robustness(grid, styles):
        yield Section("Robustness and costs", tables=robustness)
    for title, tables in others.items():
        if tables:
            blocks = [named_tables(styles, other) for other in tables]
            yield Section(title, tables=[*itertools.chain(*blocks)])


def _robustness(grid: Grid, styles: Styles) -> list[HtmlTable]:
    return [
        block
        for column, table in zip(grid.by_column(), robustness_tables(grid), strict=True)
        if table.heads
        for block in cell_tables(grid, styles, column, table)
    ]


def _facts(grid: Grid) -> str:
    """`272 runs · 8 approaches · 2 backbones · 2 tasks · 2 training set sizes · 5 seeds`.

    The number of backbones is left out if there is one.
    """
    tasks = distinct(task for task, _ in grid.columns)
    regimes = distinct(regime for _, regime in grid.columns)
    seeds = sorted({len(cell.runs) for cell in grid.tested()})
    approaches = len({cell.records[0].approach for cell in grid.cells.values()})
    parts = [
        counted(sum(cell.ran for cell in grid.cells.values()), "run"),
        counted(approaches, "approach", "approaches"),
        *([counted(len(grid.backbones), "backbone")] if grid.backbones else []),
        counted(len(tasks), "task"),
        counted(len(regimes), "training set size"),
    ]
    if seeds:
        least = f"{seeds[0]}{RANGE}" if seeds[0] < seeds[-1] else ""
        parts.append(least + counted(seeds[-1], "seed"))
    return " · ".join(parts)
