"""One HTML file that opens from disk: tables that can be sorted and figures that name their runs.

Everything is in it, and it asks no network for anything; without scripts it can be read as well.
The same runs give the same bytes.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from research.reporting.figures.all import Looks
from research.reporting.figures.colors import FAMILIES, by_family, series_styles
from research.reporting.figures.costs import cost_figures
from research.reporting.figures.figure import Figure, columns
from research.reporting.figures.robustness import robustness_figures
from research.reporting.figures.svg import marker_svg, panel_svg
from research.reporting.figures.training import training_figures
from research.reporting.grid.comparable_runs import distinct
from research.reporting.grid.grid import Grid
from research.reporting.render.html_table import HtmlTable, of_cells, of_rows, of_scores
from research.reporting.table import Table
from research.reporting.tables.robustness import robustness_tables

WEB = Path(__file__).parent / "web"


@dataclass(frozen=True)
class Section:
    """A numbered part of the page: an introduction, then tables or figures."""

    title: str
    text: str
    tables: Sequence[HtmlTable] = ()
    figures: Sequence[Figure] = ()


def build_page(grid: Grid, table: Table, further: Mapping[str, Sequence[Table]]) -> str:
    """The whole page. table: of the scores. further: tables by the title of their section."""
    found = series_styles(grid)
    made = [
        _scores(grid, found, table),
        *(make(grid, found) for make in SECTIONS),
        *(_tables(title, [of_rows(found, one) for one in some]) for title, some in further.items()),
    ]
    sections = [section for section in made if section is not None]
    groups = itertools.groupby(sections, key=lambda section: bool(section.figures))
    return (
        environment()
        .get_template("page.html")
        .render(
            title=table.title,
            facts=_facts(grid),
            groups=[(with_figures, list(some)) for with_figures, some in groups],
            families=FAMILIES,
            members=by_family(found),
            numbered=any(look.tag != look.name for look in found.values()),
            style=Markup((WEB / "page.css").read_text()),
            script=Markup((WEB / "page.js").read_text()),
            svg=lambda panel: Markup(panel_svg(panel)),
            sample=lambda look: Markup(marker_svg(look)),
        )
    )


def environment() -> Environment:
    """What fills the templates: every text is escaped, and a name that is missing is an error."""
    return Environment(
        loader=FileSystemLoader(WEB),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _scores(grid: Grid, found: Looks, table: Table) -> Section:
    return Section(
        "Scores",
        "Every approach had the same number of trials on the same dev sets; the best one was tested"
        " once.",
        [of_scores(grid, found, table)],
    )


def _costs(grid: Grid, found: Looks) -> Section | None:
    return _figures("What it takes", "", cost_figures(grid, found))


def _training(grid: Grid, found: Looks) -> Section | None:
    return _figures("How training went", "", training_figures(grid, found))


def _holding(grid: Grid, found: Looks) -> Section | None:
    return _figures("How it holds up", "", robustness_figures(grid, found))


def _further(grid: Grid, found: Looks) -> Section | None:
    layouts = robustness_tables(grid)
    shown = [column for column, _ in columns(grid)]
    tables = [
        of_cells(grid, found, column, layout)
        for column, layout in zip(shown, layouts, strict=True)
        if layout.heads
    ]
    return _tables("Further costs, and robustness", tables)


# A section more is a function more: it returns None where the runs say nothing on it.
SECTIONS: tuple[Callable[[Grid, Looks], Section | None], ...] = (
    _costs,
    _training,
    _holding,
    _further,
)


def _figures(title: str, text: str, figures: Sequence[Figure]) -> Section | None:
    return Section(title, text, figures=figures) if figures else None


def _tables(title: str, tables: Sequence[HtmlTable]) -> Section | None:
    return Section(title, "", tables) if tables else None


def _facts(grid: Grid) -> str:
    """What was run, in a line."""
    tasks = distinct(task for task, _ in grid.columns)
    seeds = sorted({len(cell.runs) for cell in grid.tested()})
    parts = (
        _number(sum(cell.ran for cell in grid.cells.values()), "run"),
        _number(len(grid.rows), "approach", "approaches"),
        _number(len(tasks), "task"),
        _number(
            len(distinct(regime for _, regime in grid.columns)), "amount of data", "amounts of data"
        ),
        f"{'–'.join(map(str, dict.fromkeys((seeds[0], seeds[-1]))))} seeds" if seeds else "",
    )
    return " · ".join(part for part in parts if part)


def _number(count: int, one: str, more: str = "") -> str:
    return f"{count} {one if count == 1 else more or f'{one}s'}"
