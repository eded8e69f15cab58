"""The tables of a results folder as files.

table.md, table.tex and table.csv; costs.md and costs.tex; criteria.md and criteria.tex; data.md
where there is a data.json; tuning.md and tuning.tex where a search on dev is finished; prompts.md
and prompts.tex where prompts were searched; data_efficiency.md and data_efficiency.tex where a task
has several numbers of examples; seeds.md and seeds.tex where there are crossed seeds; page.html,
with all of them and figures.

They are built from the runs, data.json and prices.json alone; equal inputs give equal bytes.
"""

import csv
import io
import statistics
from dataclasses import replace
from pathlib import Path

from research.common.files import write_atomically
from research.experiments.prices import read_prices
from research.reporting.grid.cell import ResultCell
from research.reporting.grid.grid import Grid, read_grid
from research.reporting.render.markdown_latex import to_latex, to_markdown
from research.reporting.render.page import build_page
from research.reporting.table import Table
from research.reporting.tables.costs import cost_tables
from research.reporting.tables.criteria import criteria_tables
from research.reporting.tables.data_efficiency import data_efficiency_tables
from research.reporting.tables.dataset import data_warnings, dataset_tables, stored_data_report
from research.reporting.tables.prompts import prompt_search_tables
from research.reporting.tables.robustness import robustness_tables
from research.reporting.tables.scores import score_table
from research.reporting.tables.tuning import tuning_tables
from research.reporting.tables.variance import variance_tables

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


def build_tables(folder: Path) -> tuple[tuple[Table, ...], dict[str, bytes]]:
    """The tables for the terminal (scores, prompt searches), and the content of each file by name.

    Raises InputError for damaged runs and for runs that cannot be compared.
    """
    grid = read_grid(folder)
    table, searches, others = score_table(grid), prompt_search_tables(grid), robustness_tables(grid)
    surveys, bill = stored_data_report(folder, grid), cost_tables(grid, read_prices(folder))
    table = replace(table, notes=(*table.notes, *data_warnings(surveys)))
    texts = {
        "table.md": "\n".join([to_markdown(table), *(to_markdown(other, 2) for other in others)]),
        "table.tex": "\n".join(map(to_latex, [table, *others])),
        "table.csv": table_csv(grid),
    }
    several = {
        "costs": bill,
        "criteria": criteria_tables(grid),
        "tuning": tuning_tables(grid),
        "data_efficiency": data_efficiency_tables(grid),
        "seeds": variance_tables(grid),
    }
    for name, layouts in several.items():
        if layouts:
            texts[f"{name}.md"] = "\n".join(map(to_markdown, layouts))
            texts[f"{name}.tex"] = "\n".join(map(to_latex, layouts))
    survey = dataset_tables(surveys, grid.name) if surveys else None
    if survey is not None:
        texts["data.md"] = to_markdown(survey)
    texts["page.html"] = build_page(
        grid,
        table,
        {
            "Costs": several["costs"],
            "Tuning": several["tuning"],
            "Data efficiency": several["data_efficiency"],
            "Variance by source": several["seeds"],
            "Prompts": [one for one in (searches,) if one is not None],
            "Data": [one for one in (survey,) if one is not None],
        },
    )
    shown = (table,)
    if searches is not None:
        texts |= {"prompts.md": to_markdown(searches), "prompts.tex": to_latex(searches)}
        shown = (table, searches)
    return shown, {name: text.encode() for name, text in texts.items()}


def write_tables(folder: Path) -> tuple[Table, ...]:
    """Writes the files of a results folder, each atomically."""
    layouts, files = build_tables(folder)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return layouts


def check_tables(folder: Path) -> list[str]:
    """The names of files that are missing or differ from the tables built from the runs."""
    _, files = build_tables(folder)
    return [
        name
        for name, content in files.items()
        if not (folder / name).is_file() or (folder / name).read_bytes() != content
    ]


def table_csv(grid: Grid) -> str:
    """A line for each cell and metric; scores are fractions, costs medians over the runs."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for cell in grid.tested():
        for metric in cell.influence:
            writer.writerow(_line(cell, metric))
    return text.getvalue()


def _line(cell: ResultCell, metric: str) -> list[str]:
    score = cell.score(metric)
    approach, task, _ = cell.key
    used = statistics.median_low(run.n_train for run in cell.runs)
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
        " ".join(run.run_id for run in cell.runs),
    ]


def _number(value: float | None, decimals: int) -> str:
    return "" if value is None else f"{value:.{decimals}f}"
