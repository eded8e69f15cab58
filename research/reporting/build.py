"""The tables of a results folder as files.

table.md, table.tex and table.csv; costs.md and costs.tex, the cost ledger; criteria.md and
criteria.tex; data.md where there is a data.json; tuning.md and tuning.tex where a search on dev is
finished; prompts.md and prompts.tex where prompts were searched through; worth.md and worth.tex
where a task has several numbers of examples; seeds.md and seeds.tex where sources of variance were
told apart; page.html, with all of them and figures.

They are made from runs/, predictions/, data.json and prices.json alone, and the same of these give
the same bytes.
"""

import csv
import io
import statistics
from dataclasses import replace
from pathlib import Path

from research.common.files import write_atomically
from research.experiments.prices import read_prices
from research.reporting.grid.grid import Cell, Grid, read_grid
from research.reporting.render.markdown_latex import latex, markdown
from research.reporting.render.page import build_page
from research.reporting.table import Layout
from research.reporting.tables.costs import lay_out_costs
from research.reporting.tables.criteria import lay_out_criteria
from research.reporting.tables.data_efficiency import lay_out_worth
from research.reporting.tables.dataset import data_warnings, lay_out_data, stored_surveys
from research.reporting.tables.prompts import lay_out_searches
from research.reporting.tables.robustness import lay_out_holding_up
from research.reporting.tables.scores import lay_out
from research.reporting.tables.tuning import lay_out_tuning
from research.reporting.tables.variance import lay_out_sources

COLUMNS = (
    "approach",
    "task",
    "n_train",
    "metric",
    "score",
    "ci_low",
    "ci_high",
    "seeds",
    "trained_params",
    "stored_bytes",
    "train_seconds",
    "run_ids",
)


def build_tables(folder: Path) -> tuple[tuple[Layout, ...], dict[str, bytes]]:
    """The layouts of scores and of searches, for the terminal, and the content of each file by
    name.

    Raises InputError for damaged runs and for runs that cannot be compared.
    """
    grid = read_grid(folder)
    table, searches, others = lay_out(grid), lay_out_searches(grid), lay_out_holding_up(grid)
    surveys, bill = stored_surveys(folder, grid), lay_out_costs(grid, read_prices(folder))
    table = replace(table, notes=(*table.notes, *data_warnings(surveys)))
    texts = {
        "table.md": "\n".join([markdown(table), *(markdown(other, 2) for other in others)]),
        "table.tex": "\n".join(map(latex, [table, *others])),
        "table.csv": table_csv(grid),
    }
    several = {
        "costs": bill,
        "criteria": lay_out_criteria(grid),
        "tuning": lay_out_tuning(grid),
        "worth": lay_out_worth(grid),
        "seeds": lay_out_sources(grid),
    }
    for name, layouts in several.items():
        if layouts:
            texts[f"{name}.md"] = "\n".join(map(markdown, layouts))
            texts[f"{name}.tex"] = "\n".join(map(latex, layouts))
    survey = lay_out_data(surveys, grid.name) if surveys else None
    if survey is not None:
        texts["data.md"] = markdown(survey)
    texts["page.html"] = build_page(
        grid,
        table,
        {
            "Costs": several["costs"],
            "How each approach was tuned": several["tuning"],
            "What a label is worth": several["worth"],
            "Where the variance comes from": several["seeds"],
            "Prompts": [one for one in (searches,) if one is not None],
            "Data": [one for one in (survey,) if one is not None],
        },
    )
    shown = (table,)
    if searches is not None:
        texts |= {"prompts.md": markdown(searches), "prompts.tex": latex(searches)}
        shown = (table, searches)
    return shown, {name: text.encode() for name, text in texts.items()}


def write_tables(folder: Path) -> tuple[Layout, ...]:
    """Writes the files into the results folder, each of them whole or not at all."""
    layouts, files = build_tables(folder)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return layouts


def check_tables(folder: Path) -> list[str]:
    """The names of the files that are missing or differ from what the runs give."""
    _, files = build_tables(folder)
    return [
        name
        for name, content in files.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content
    ]


def table_csv(grid: Grid) -> str:
    """One line per cell and metric; scores as fractions, seconds in the median of the runs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in grid.tested():
        for metric in cell.influence:
            writer.writerow(_line(cell, metric))
    return text.getvalue()


def _line(cell: Cell, metric: str) -> list[str]:
    score = cell.score(metric)
    approach, task, _ = cell.key
    used = statistics.median_low(run["n_train"] for run in cell.runs)
    return [
        approach,
        task,
        str(used),
        metric,
        *(f"{value:.6f}" for value in (score.score, score.low, score.high)),
        str(len(cell.runs)),
        _number(cell.cost("trained_params"), 0),
        _number(cell.cost("stored_bytes"), 0),
        _number(cell.cost("train_seconds"), 3),
        " ".join(run["run_id"] for run in cell.runs),
    ]


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"
